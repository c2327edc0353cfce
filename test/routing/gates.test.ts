import t from 'tap';
import { CarpoolError } from '../../src/errors.ts';
import { DestinationObserver } from '../../src/observer.ts';
import type { LeaseWaiter } from '../../src/pool/lease.ts';
import { Gate } from '../../src/routing/gates.ts';
import { TrialRequest } from '../../src/routing/trial-request.ts';
import { loneEndpoint, policyWith, TestRequest } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

/** A gate whose breaker is open, and what has passed it. */
function openGate() {
  const clock = new TestClock();
  const inside: LeaseWaiter[] = [];
  const policy = policyWith({ breaker: { destinationFailures: 2, recoveryMs: 5000 } });
  const gate = new Gate(
    {
      name: 'orders.shop:8080',
      observer: new DestinationObserver('orders'),
      waitingInside: 0,
      enter: (waiter) => {
        inside.push(waiter);
        return false;
      },
      gateEmptied: () => {},
    },
    policy,
    clock,
    { emit: () => {} },
  );
  for (let index = 0; index < 2; index++) gate.outcomes?.failed('status 503', clock.now(), clock.now());
  return { gate, clock, inside, policy };
}

t.test('another attempt of the trial is the trial, while those of others are refused', async (t) => {
  const { gate, clock, inside } = openGate();
  const endpoint = loneEndpoint(clock);
  const [trial, other] = [new TestRequest(), new TestRequest()];
  clock.advance(5000);
  gate.acquire(trial, []);
  const first = inside[0];
  t.ok(first instanceof TrialRequest && first.behind === trial);
  // It is leased, and the upstream refuses its stream without a word on how it is.
  gate.withdraw(trial);
  gate.acquire(trial, [endpoint]);
  t.throws(() => gate.acquire(other, [endpoint]), { code: 'CIRCUIT_OPEN' });
  gate.acquire(trial, [endpoint]);
  t.equal(inside.length, 3);
  gate.outcomes?.failed('UPSTREAM_RESET', clock.now(), clock.now());
  t.throws(() => gate.acquire(trial, [endpoint]), { code: 'CIRCUIT_OPEN' }, 'it has told now');
});

t.test('a trial asks for what the request asks for, but for a new connection', async (t) => {
  const { gate, clock, inside } = openGate();
  clock.advance(5000);
  const request = new TestRequest('/', { unsafe: true, need: 'as_http2' });
  request.sticky = 77;
  gate.acquire(request, []);
  t.match(inside[0], { unsafe: true, need: 'as_http2', sticky: 77, tunnel: false, fresh: true });
});

t.test('a gate is needed for as long as something holds requests back, or may do so', async (t) => {
  const { gate, clock, policy } = openGate();
  const without = { ...policy, breaker: { ...policy.breaker, destinationFailures: null } };
  clock.advance(5000);
  const trial = new TestRequest();
  gate.acquire(trial, []);
  gate.configure(without);
  t.ok(gate.needed, 'its trial waits for a connection under another name');
  gate.withdraw(trial);
  t.notOk(gate.needed);
  gate.pause([]);
  t.ok(gate.needed);
  gate.acquire(new TestRequest(), []);
  gate.destroy(new CarpoolError('SHUTTING_DOWN', 'test'));
  gate.resume();
  t.notOk(gate.needed);
  gate.configure(policy);
  t.ok(gate.needed);
});
