import t, { type Test } from 'tap';
import { KubernetesCoordinator } from '../../src/fleet/kubernetes-coordinator.ts';
import { FakeService, numbered, pods } from './fake-service.ts';
import { DEFAULTS, FakeDestination, shareBook } from './fleet-fixture.ts';

/** A sidecar of the pod 10.0.0.2, and one destination with a budget. */
function sidecar(t: Test, { budget = 100, minShare = 2, service = new FakeService() } = {}) {
  const upstream = new FakeDestination('upstream:80', budget);
  const all = shareBook([upstream]);
  const { book, clock, events } = all;
  const options = { service: 'web', follow: service.follow, addresses: ['10.0.0.2'], clock, book, events, minShare };
  const coordinator = new KubernetesCoordinator(options);
  t.teardown(() => coordinator.close());
  return { ...all, upstream, service, coordinator, share: () => upstream.pool.limit.share };
}

t.test('nothing is opened before it is known how many there are, and then the even share is', async (t) => {
  const { service, share, coordinator } = sidecar(t);
  t.equal(share(), 0);
  t.match(coordinator.stats(), { state: 'starting', problem: null });
  service.tell(pods(...numbered(7)));
  t.equal(share(), 15, 'the second of seven has one of the two that are left over');
  t.match(coordinator.stats(), { coordinator: 'kubernetes', state: 'connected', peers: 7 });
});

t.test('a share shrinks at once, and grows when the others have had time to come down', async (t) => {
  const { service, share, clock } = sidecar(t);
  service.tell(pods(...numbered(10)));
  service.tell(pods(...numbered(20)));
  t.equal(share(), 5);
  service.tell(pods(...numbered(4)));
  t.equal(share(), 5);
  clock.advance(1999);
  t.equal(share(), 5);
  clock.advance(1);
  t.equal(share(), 25);
});

t.test('news in the meantime begins the wait anew, and never lets a share grow early', async (t) => {
  const { service, share, clock } = sidecar(t);
  service.tell(pods(...numbered(20)));
  service.tell(pods(...numbered(10)));
  clock.advance(1500);
  service.tell(pods(...numbered(5)));
  clock.advance(1500);
  t.equal(share(), 5);
  clock.advance(500);
  t.equal(share(), 20);
});

t.test('without an answer the minimum is used after 2 s, and it says why', async (t) => {
  const { service, share, clock, told, types, coordinator } = sidecar(t);
  service.problem = { message: 'may not watch endpointslices', hint: 'Grant it.' };
  clock.advance(1999);
  t.equal(share(), 0);
  clock.advance(1);
  t.equal(share(), 2);
  t.match(told, [
    {
      type: 'fleet_failover',
      coordinator: 'kubernetes',
      message: /may not watch endpointslices. Grant it.; .* 2 connections \(fleet.minShare\)/,
    },
  ]);
  t.match(coordinator.stats(), { state: 'failover', peers: 0, problem: /Grant it/ });
  service.problem = null;
  service.tell(pods(...numbered(10)));
  t.match(coordinator.stats(), { state: 'connected', peers: 10 });
  clock.advance(2000);
  t.equal(share(), 10);
  coordinator.tick();
  t.same(types(), ['fleet_failover', 'fleet_restored', 'fleet_share']);
});

t.test('what was known stays while the API server is away', async (t) => {
  const { service, share, clock, coordinator } = sidecar(t);
  service.tell(pods(...numbered(10)));
  service.problem = { message: 'no answer', hint: 'Look.' };
  clock.advance(600_000);
  t.equal(share(), 10);
  t.match(coordinator.stats(), { state: 'failover', peers: 10, problem: 'no answer. Look.' });
});

t.test('a Service that has no endpoints any more is not taken for a fleet of one', async (t) => {
  const { service, share, clock } = sidecar(t);
  service.tell(pods(...numbered(10)));
  service.tell(pods());
  clock.advance(10_000);
  t.equal(share(), 10);
});

t.test('a Service by a wrong name gives the minimum, and is told', async (t) => {
  const { service, share, clock, told } = sidecar(t);
  service.tell(pods());
  clock.advance(2000);
  t.equal(share(), 2);
  t.match(told, [{ message: /has no endpoints: fleet.service is to name/ }]);
});

t.test('a Service that cannot be followed yet is asked for again', async (t) => {
  const service = new FakeService();
  service.known = false;
  const { share, clock, told } = sidecar(t, { service });
  clock.advance(2500);
  t.match(told, [{ message: /cannot be followed/ }]);
  service.known = true;
  clock.advance(1000);
  service.tell(pods(...numbered(10)));
  clock.advance(2000);
  t.equal(share(), 10);
});

t.test('with more sidecars than connections the first ones have one each, and that is told once', async (t) => {
  const { service, share, told, coordinator } = sidecar(t, { budget: 3 });
  service.tell(pods(...numbered(3)));
  t.equal(share(), 1);
  service.tell(
    pods({ address: '10.0.0.0' }, { address: '10.0.0.1' }, { address: '10.0.0.11' }, { address: '10.0.0.2' }),
  );
  t.equal(share(), 0, 'the fourth of four');
  coordinator.tick();
  coordinator.tick();
  t.match(
    told.filter(({ type }) => type === 'fleet_short'),
    [{ destination: 'upstream:80', budget: 3, peers: 4 }],
  );
  t.equal(told.filter(({ type }) => type === 'fleet_short').length, 1);
});

t.test('a destination has its share before its first request, and loses it with its budget', async (t) => {
  const { service, destinations, coordinator } = sidecar(t);
  service.tell(pods(...numbered(10)));
  const late = new FakeDestination('late:80', 50);
  const free = new FakeDestination('free:80', null);
  destinations.push(late, free);
  coordinator.refresh();
  t.equal(late.pool.limit.share, 5);
  t.equal(free.pool.limit.share, null);
  late.budget = 200;
  coordinator.reconfigure(DEFAULTS);
  t.equal(late.pool.limit.share, 20);
  late.budget = null;
  coordinator.reconfigure(DEFAULTS);
  t.equal(late.pool.limit.share, null);
});

t.test('connections of a pool that was replaced are part of the share of the new one', async (t) => {
  const { service, destinations, coordinator, upstream } = sidecar(t);
  service.tell(pods(...numbered(10)));
  upstream.pool.want(8);
  upstream.pool.stuck = 8;
  upstream.closed = true;
  const heir = new FakeDestination('upstream:80', 100);
  destinations.push(heir);
  coordinator.refresh();
  t.equal(heir.pool.limit.share, 2);
  upstream.pool.stuck = 3;
  upstream.pool.want(0);
  coordinator.tick();
  t.equal(heir.pool.limit.share, 7);
});

t.test('when it closes nothing of it goes on', async (t) => {
  const { service, clock, coordinator, share } = sidecar(t);
  const { service: other, clock: otherClock, coordinator: counting } = sidecar(t);
  service.tell(pods(...numbered(10)));
  service.tell(pods(...numbered(5)));
  coordinator.close();
  counting.close();
  t.equal(clock.waiting, 0);
  t.equal(otherClock.waiting, 0);
  t.equal(service.followed + other.followed, 0);
  clock.advance(10_000);
  t.equal(share(), 10);
});

t.test('a share that nobody has given yet is marked as such', async (t) => {
  const { service, upstream } = sidecar(t);
  t.equal(upstream.pool.limit.awaited, true);
  service.tell(pods(...numbered(200)));
  t.match(upstream.pool.limit, { share: 0, awaited: false }, 'that there is nothing for it is an answer');
});
