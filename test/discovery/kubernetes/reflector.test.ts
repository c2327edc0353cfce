import { test } from 'tap';
import { Reflector, type ReflectorOptions } from '../../../src/discovery/kubernetes/reflector.ts';
import { TestClock } from '../../test-clock.ts';
import { at, FakeKubeApi, failure, settled } from './fake-kube-api.ts';
import { slice } from './kube-objects.ts';

const SLICE = slice({ service: 'orders', endpoints: ['10.0.0.1'] });

type Log = { readonly lines: string[]; readonly faults: unknown[] };

/** A reflector with random = 0.5 (back-off 600 ms, then 1.2 s …), and all that it tells, as lines. */
async function start(options: Partial<ReflectorOptions> = {}) {
  const api = new FakeKubeApi();
  const clock = new TestClock();
  const log: Log = { lines: [], faults: [] };
  const reflector = new Reflector({
    api: () => Promise.resolve(api),
    clock,
    random: () => 0.5,
    namespace: 'shop',
    labelSelector: 'kubernetes.io/service-name in (orders)',
    version: null,
    fault: (cause) => log.faults.push(cause),
    handlers: {
      listed: ({ items, version }, latest) =>
        log.lines.push(`listed ${items.length} ${version}${latest ? ' latest' : ''}`),
      opened: () => log.lines.push('opened'),
      event: (type) => log.lines.push(type),
      failed: (error) => log.lines.push(`failed ${error.kind}`),
      healthy: () => log.lines.push('healthy'),
    },
    ...options,
  });
  reflector.start();
  await settled();
  return { api, clock, log, reflector };
}

/** One whose watch is open from resource version 100. */
async function watching(options: Partial<ReflectorOptions> = {}) {
  const parts = await start(options);
  await parts.api.list.answer([SLICE], 100);
  parts.api.last.handlers.opened();
  return parts;
}

test('a reflector lists from the server’s cache and watches from the version of the list', async (t) => {
  const { api, reflector, log } = await start();
  t.equal(api.list.path, '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices');
  t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', resourceVersion: '0' });
  t.equal(reflector.state, 'listing');
  await api.list.answer([SLICE], 100);
  t.same(api.last.query, {
    labelSelector: 'kubernetes.io/service-name in (orders)',
    resourceVersion: '100',
    allowWatchBookmarks: true,
    timeoutSeconds: 900,
  });
  t.equal(reflector.connected, false);
  api.last.handlers.opened();
  t.equal(reflector.connected, true);
  t.equal(reflector.state, 'watching');
  api.last.handlers.event('ADDED', at(101, SLICE), 0);
  t.equal(reflector.version, '101');
  t.same(log.lines, ['listed 1 100', 'opened', 'ADDED']);
});

test('the timeout of a watch is at random between 600 and 1200 seconds', async (t) => {
  for (const [random, seconds] of [
    [0, 600],
    [0.999_999, 1_200],
  ] as const) {
    const { api } = await watching({ random: () => random });
    t.equal(api.last.query.timeoutSeconds, seconds);
  }
});

test('a reflector that begins with a known version lists nothing older', async (t) => {
  const { api } = await start({ version: '90' });
  t.match(api.list.query, { resourceVersion: '90', resourceVersionMatch: 'NotOlderThan' });
});

test('a watch that ends in good order goes on at once from the bookmark, and stays connected', async (t) => {
  const { api, clock, reflector, log } = await watching();
  api.last.handlers.event('BOOKMARK', at(150, SLICE), 0);
  clock.advance(5_000);
  api.last.handlers.ended(null);
  t.equal(api.watches.length, 2);
  t.equal(api.last.query.resourceVersion, '150');
  t.equal(reflector.connected, true, 'while it is renewed');
  api.last.handlers.opened();
  t.same(log.lines, ['listed 1 100', 'opened', 'BOOKMARK', 'opened'], 'and nothing failed');
});

test('a watch that ends within a second is a failure, so that nothing goes round without a pause', async (t) => {
  const { api, clock, reflector, log } = await watching();
  clock.advance(999);
  api.last.handlers.ended(null);
  t.equal(api.watches.length, 1);
  t.equal(reflector.connected, false);
  t.match(reflector.error, { kind: 'unreachable' });
  t.match(log.lines, ['listed 1 100', 'opened', 'failed unreachable']);
  clock.advance(600);
  t.equal(api.watches.length, 2);
});

test('a watch that broke is resumed from the last version, and after a second failure listed again', async (t) => {
  const { api, clock } = await watching();
  api.last.handlers.event('MODIFIED', at(120, SLICE), 0);
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(599);
  t.equal(api.watches.length, 1);
  clock.advance(1);
  t.equal(api.last.query.resourceVersion, '120');
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(1_199);
  t.equal(api.lists.length, 1);
  clock.advance(1);
  await settled();
  t.equal(api.watches.length, 2);
  t.match(api.list.query, { resourceVersion: '120', resourceVersionMatch: 'NotOlderThan' });
  await api.list.answer([SLICE], 130);
  t.equal(api.last.query.resourceVersion, '130');
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(2_400);
  await settled();
  t.equal(api.watches.length, 4, 'and resumed first again');
  t.equal(api.lists.length, 2);
});

test('a planned renewal does not interrupt the two minutes without a failure', async (t) => {
  const { api, clock } = await start({ random: () => 1 });
  for (let i = 0; i < 4; i++) {
    await api.list.fail('unreachable');
    clock.advance(30_000);
    await settled();
  }
  await api.list.answer([], 10);
  api.last.handlers.opened();
  clock.advance(60_000);
  api.last.handlers.ended(null);
  api.last.handlers.opened();
  clock.advance(60_000);
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(800);
  t.equal(api.watches.length, 3);
});

test('a watch that broke is listed again where the last news are 150 s old by then', async (t) => {
  const { api, clock } = await watching({ random: () => 1 });
  clock.advance(149_500);
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(800);
  await settled();
  t.equal(api.watches.length, 1);
  t.equal(api.lists.length, 2);
});

test('a watch that was given up and opens late is not taken for the one that came after it', async (t) => {
  const { api, clock, reflector, log } = await start();
  await api.list.answer([], 100);
  clock.advance(30_600);
  t.equal(api.watches.length, 2);
  api.watches[0]?.handlers.opened();
  t.equal(reflector.state, 'opening');
  t.notOk(log.lines.includes('opened'));
});

test('the back-off doubles from 0.8 s to 30 s, and begins anew after two minutes without a failure', async (t) => {
  const { api, clock, log } = await start({ random: () => 1 });
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    await api.list.fail('unreachable');
    const before = clock.now();
    const count = api.lists.length;
    while (api.lists.length === count) {
      clock.advance(100);
      await settled();
    }
    waits.push(clock.now() - before);
  }
  t.same(waits, [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  t.equal(log.lines.length, 8);
  await api.list.answer([], 10);
  api.last.handlers.opened();
  clock.advance(119_999);
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(29_999);
  t.equal(api.watches.length, 1, 'not yet');
  clock.advance(1);
  api.last.handlers.opened();
  api.last.handlers.event('BOOKMARK', at(20, SLICE), 0);
  clock.advance(120_000);
  api.last.handlers.ended(failure('unreachable'));
  clock.advance(800);
  t.equal(api.watches.length, 3);
});

test('the back-off is spread between the half and the whole', async (t) => {
  const { api, clock } = await start({ random: () => 0 });
  await api.list.fail('server');
  clock.advance(399);
  await settled();
  t.equal(api.lists.length, 1);
  clock.advance(1);
  await settled();
  t.equal(api.lists.length, 2);
});

test('Retry-After is waited for, a minute at most, and never less than the back-off', async (t) => {
  for (const [asked, waited] of [
    [5_000, 5_000],
    [3_600_000, 60_000],
    [1, 400],
  ] as const) {
    const { api, clock } = await start({ random: () => 0 });
    await api.list.fail('throttled', { retryAfterMs: asked });
    clock.advance(waited - 1);
    await settled();
    t.equal(api.lists.length, 1);
    clock.advance(1);
    await settled();
    t.equal(api.lists.length, 2, `${asked} ms`);
  }
});

test('without rights it is tried once a minute', async (t) => {
  const { api, clock, reflector } = await start();
  for (let i = 1; i < 4; i++) {
    await api.list.fail('forbidden');
    clock.advance(59_999);
    await settled();
    t.equal(api.lists.length, i);
    t.equal(reflector.state, 'waiting');
    t.match(reflector.error, { kind: 'forbidden' });
    clock.advance(1);
    await settled();
    t.equal(api.lists.length, i + 1);
  }
});

test('a version that is gone is listed again at once, the latest and in pages; the second time in a row after a while', async (t) => {
  const { api, clock, log, reflector } = await watching();
  api.last.handlers.ended(failure('gone'));
  await settled();
  t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: 500 });
  t.equal(reflector.connected, true, 'it is part of the game');
  await api.list.answer([SLICE], 200, 'more');
  t.same(log.lines, ['listed 1 100', 'opened'], 'half a list is told to nobody');
  t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: 500, continue: 'more' });
  await api.list.answer([SLICE, SLICE], 201);
  t.equal(log.lines.at(-1), 'listed 3 200 latest', 'from the moment of the first page');
  api.last.handlers.ended(failure('gone'));
  await settled();
  t.equal(api.lists.length, 3);
  t.equal(log.lines.at(-1), 'failed gone');
  clock.advance(600);
  await settled();
  t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: 500 });
  await api.list.answer([], 300);
  api.last.handlers.opened();
  api.last.handlers.event('ADDED', at(301, SLICE), 0);
  api.last.handlers.ended(failure('gone'));
  await settled();
  t.equal(api.lists.length, 5, 'at once again: something was told in between');
});

test('a page whose token is too old begins the list anew', async (t) => {
  const { api, log } = await watching();
  api.last.handlers.ended(failure('gone'));
  await settled();
  await api.list.answer([SLICE], 200, 'more');
  await api.list.fail('gone');
  t.equal(log.lines.at(-1), 'failed gone');
  t.equal(log.lines.filter((line) => line.startsWith('listed')).length, 1);
});

test('a version that the server does not know yet (504), or does not take (422), is not asked for again', async (t) => {
  for (const [kind, status] of [
    ['server', 504],
    ['invalid', 422],
  ] as const) {
    const { api, clock } = await start({ version: '900' });
    await api.list.fail(kind, { status });
    clock.advance(600);
    await settled();
    t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: 500 });
    await api.list.answer([], 70);
    api.last.handlers.ended(failure('not_found'));
    clock.advance(1_200);
    await settled();
    t.match(api.list.query, { resourceVersion: '70' }, 'that was for one list');
  }
  const { api, clock } = await start({ version: '900' });
  await api.list.fail('server', { status: 500 });
  clock.advance(600);
  await settled();
  t.match(api.list.query, { resourceVersion: '900' }, 'other failures say nothing about the version');
});

test('a watch that is refused as invalid is listed again and not resumed', async (t) => {
  const { api, clock } = await watching();
  api.last.handlers.ended(failure('invalid', { status: 422 }));
  clock.advance(600);
  await settled();
  t.equal(api.watches.length, 1);
  t.equal(api.lists.length, 2);
});

test('a watch that is silent for 150 s gets a new connection and a new list', async (t) => {
  const { api, clock, log, reflector } = await watching();
  clock.advance(60_000);
  api.last.handlers.event('BOOKMARK', at(110, SLICE), 0);
  const [silent] = api.watches;
  clock.advance(149_999);
  t.equal(api.reconnects, 0);
  clock.advance(1);
  await settled();
  t.equal(api.reconnects, 1);
  t.equal(silent?.aborted, true);
  t.match(api.list.query, { resourceVersion: '110', resourceVersionMatch: 'NotOlderThan' });
  t.equal(log.lines.at(-1), 'failed unreachable');
  t.match(reflector.error?.message, /150 s, not even a bookmark/);
  await api.list.answer([SLICE], 120);
  silent?.handlers.event('MODIFIED', at(300, SLICE), 0);
  t.equal(reflector.version, '120', 'the old one is not heard any more');
});

test('a server that lists and never tells on a watch is listed every 150 s, with one failure until it tells something', async (t) => {
  const { api, clock, log, reflector } = await watching();
  clock.advance(150_000);
  const healthy = log.lines.filter((line) => line === 'healthy').length;
  for (let i = 0; i < 3; i++) {
    if (i > 0) clock.advance(150_000);
    await settled();
    t.equal(api.lists.length, i + 2);
    await api.list.answer([SLICE], 101 + i);
    api.last.handlers.opened();
    t.equal(reflector.connected, false);
  }
  t.equal(log.lines.filter((line) => line === 'healthy').length, healthy, 'never healthy');
  api.last.handlers.event('BOOKMARK', at(200, SLICE), 0);
  t.equal(reflector.connected, true);
  t.equal(reflector.error, null);
  clock.advance(10_000);
  t.equal(log.lines.at(-1), 'healthy');
});

test('a server that answers lists and no watch is listed at least every 150 s', async (t) => {
  const { api, clock } = await start({ random: () => 1 });
  await api.list.answer([SLICE], 100);
  let listedAt = clock.now();
  for (let lists = 1; lists < 12; ) {
    clock.advance(500);
    await settled();
    if (api.lists.length === lists) continue;
    lists++;
    t.ok(clock.now() - listedAt <= 150_000, `${clock.now() - listedAt} ms`);
    listedAt = clock.now();
    await api.list.answer([SLICE], 100);
  }
  t.ok(api.openPeak <= 1);
});

test('a watch without rights is listed at least every 150 s', async (t) => {
  const { api, clock } = await start({ random: () => 1 });
  await api.list.answer([SLICE], 100);
  let listedAt = clock.now();
  let watches = 0;
  for (let lists = 1; lists < 5; ) {
    if (api.watches.length > watches) {
      watches = api.watches.length;
      api.last.handlers.ended(failure('forbidden'));
    }
    clock.advance(500);
    await settled();
    if (api.lists.length === lists) continue;
    lists++;
    t.ok(clock.now() - listedAt <= 150_000, `${clock.now() - listedAt} ms`);
    listedAt = clock.now();
    await api.list.answer([SLICE], 100);
  }
});

test('a list or a watch without an answer for 30 s is given up, on a new connection', async (t) => {
  const { api, clock, log, reflector } = await start();
  clock.advance(29_999);
  t.equal(reflector.state, 'listing');
  clock.advance(1);
  t.match(log.lines, ['failed unreachable']);
  t.equal(api.reconnects, 1);
  const [late] = api.lists;
  clock.advance(600);
  await settled();
  t.equal(api.lists.length, 2);
  await late?.answer([SLICE], 50);
  t.equal(log.lines.length, 1, 'the answer that came late is not heard');
  await api.list.answer([SLICE], 100);
  clock.advance(29_999);
  t.equal(api.last.aborted, false);
  clock.advance(1);
  t.equal(api.last.aborted, true);
  t.equal(api.reconnects, 2);
  t.match(reflector.error?.message, /has not answered the watch .* within 30 s/);
});

test('each page of a list has its 30 s', async (t) => {
  const { api, clock, log } = await start();
  for (let page = 0; page < 3; page++) {
    clock.advance(29_000);
    await api.list.answer([SLICE], 100, 'more');
  }
  await api.list.answer([SLICE], 100);
  t.equal(log.lines.at(-1), 'listed 4 100');
});

test('a jump of the wall clock by over a minute gets a new connection and resumes the watch', async (t) => {
  const { api, clock, log } = await watching();
  api.last.handlers.event('ADDED', at(104, SLICE), 0);
  clock.jumpWall(60_000);
  clock.advance(10_000);
  t.equal(api.reconnects, 0, 'a minute is nothing');
  clock.jumpWall(-60_001);
  clock.advance(10_000);
  t.equal(api.reconnects, 1);
  t.equal(api.watches.length, 2);
  t.equal(api.watches[0]?.aborted, true);
  t.equal(api.last.query.resourceVersion, '104');
  t.notOk(log.lines.some((line) => line.startsWith('failed')));
});

test('a watch that another one’s new connection ends after a jump is resumed at once', async (t) => {
  const { api, clock } = await watching();
  clock.jumpWall(3_600_000);
  api.last.handlers.ended(failure('unreachable'));
  t.equal(api.watches.length, 2);
  t.equal(api.reconnects, 0);
  api.last.handlers.opened();
  clock.advance(10_000);
  t.equal(api.reconnects, 0, 'one jump is noticed once');
});

test('an event out of order does not turn the version back; a bookmark that does so is listed again', async (t) => {
  const { api, reflector, log } = await watching();
  api.last.handlers.event('MODIFIED', at(120, SLICE), 0);
  api.last.handlers.event('MODIFIED', at(99, SLICE), 0);
  t.equal(reflector.version, '120');
  t.equal(log.lines.filter((line) => line === 'MODIFIED').length, 2, 'the store decides what it is worth');
  api.last.handlers.event('BOOKMARK', at(119, SLICE), 0);
  await settled();
  t.same(api.list.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: 500 });
});

test('what is no list is a failure, and is asked for again', async (t) => {
  for (const answer of [null, 'text', {}, { kind: 'Status' }, { items: [], metadata: {} }]) {
    const { api, clock, reflector, log } = await start();
    await api.list.answerRaw(answer);
    t.match(reflector.error, { kind: 'not_an_api' }, JSON.stringify(answer));
    clock.advance(600);
    await settled();
    await api.list.answer([SLICE], 100);
    t.equal(log.lines.at(-1), 'listed 1 100');
  }
});

test('a list without an end is given up', async (t) => {
  const { api, reflector } = await start();
  for (let i = 0; i < 1_000; i++) await api.list.answer([], 100, 'more');
  t.match(reflector.error, { kind: 'not_an_api', message: /does not end/ });
});

test('a client that cannot be made is asked for again', async (t) => {
  let calls = 0;
  const api = new FakeKubeApi();
  const { clock, reflector } = await start({
    api: () => (calls++ === 0 ? Promise.reject(failure('no_credentials')) : Promise.resolve(api)),
  });
  t.match(reflector.error, { kind: 'no_credentials' });
  clock.advance(600);
  await settled();
  t.equal(api.lists.length, 1);
});

test('a client that throws what is no ApiError is a failure like others', async (t) => {
  const { reflector } = await start({ api: () => Promise.reject(new Error('no such module')) });
  t.match(reflector.error, { kind: 'unreachable', message: /no such module/ });
});

test('a handler that throws does not stop the reflector', async (t) => {
  const boom = () => {
    throw new Error('boom');
  };
  const { api, clock, log, reflector } = await start({
    handlers: { listed: boom, opened: boom, event: boom, failed: boom, healthy: boom },
  });
  await api.list.fail('server');
  clock.advance(600);
  await settled();
  await api.list.answer([SLICE], 100);
  api.last.handlers.opened();
  api.last.handlers.event('ADDED', at(101, SLICE), 0);
  clock.advance(10_000);
  t.equal(log.faults.length, 5);
  t.equal(reflector.version, '101');
  t.equal(reflector.state, 'watching');
});

test('a watch is healthy when it has stood for ten seconds', async (t) => {
  const { clock, log } = await watching();
  clock.advance(9_999);
  t.not(log.lines.at(-1), 'healthy');
  clock.advance(1);
  t.equal(log.lines.at(-1), 'healthy');
});

test('a wait after a failure ends when it is told to, and only that', async (t) => {
  const { api, reflector } = await start();
  reflector.retryNow();
  await settled();
  t.equal(api.lists.length, 1);
  await api.list.fail('forbidden');
  reflector.retryNow();
  await settled();
  t.equal(api.lists.length, 2);
});

test('a reflector that waits lists with another selector next, one that does not wait refuses', async (t) => {
  const { api, clock, reflector } = await watching();
  t.equal(reflector.reselect('x'), false);
  api.last.handlers.ended(failure('unreachable'));
  t.equal(reflector.reselect('x'), true);
  clock.advance(600);
  await settled();
  t.same(api.list.query, { labelSelector: 'x', resourceVersion: '100', resourceVersionMatch: 'NotOlderThan' });
  await api.list.answer([], 120);
  t.equal(api.last.query.labelSelector, 'x');
});

test('a closed reflector has no timer, no watch and hears nothing, in whatever state it was', async (t) => {
  const states = {
    listing: async () => start(),
    opening: async () => {
      const parts = await start();
      await parts.api.list.answer([], 1);
      return parts;
    },
    watching: async () => watching(),
    waiting: async () => {
      const parts = await start();
      await parts.api.list.fail('server');
      return parts;
    },
  };
  for (const [state, arrive] of Object.entries(states)) {
    const { api, clock, log, reflector } = await arrive();
    t.equal(reflector.state, state);
    const count = log.lines.length;
    reflector.close();
    t.equal(reflector.state, 'closed');
    t.equal(reflector.connected, false);
    t.equal(clock.waiting, 0, state);
    t.equal(api.open.length, 0);
    await api.lists[0]?.answer([SLICE], 100);
    for (const { handlers } of api.watches) {
      handlers.opened();
      handlers.event('ADDED', at(105, SLICE), 0);
      handlers.ended(null);
    }
    reflector.start();
    reflector.retryNow();
    await settled();
    t.equal(log.lines.length, count);
    t.equal(api.lists.length + api.open.length, 1);
  }
});

test('a reflector that a handler closes does nothing more', async (t) => {
  const holder: { close: () => void } = { close: () => {} };
  const { api, clock, reflector } = await start({
    handlers: { listed: () => holder.close(), opened() {}, event() {}, failed() {}, healthy() {} },
  });
  holder.close = () => reflector.close();
  await api.list.answer([SLICE], 100);
  t.equal(api.watches.length, 0);
  t.equal(clock.waiting, 0);
});

test('there is never more than one watch of a reflector, and what an ended one says is not heard', async (t) => {
  const { api, clock, log } = await watching();
  const [first] = api.watches;
  first?.handlers.ended(failure('unreachable'));
  clock.advance(600);
  first?.handlers.ended(failure('unreachable'));
  first?.handlers.event('ADDED', at(300, SLICE), 0);
  api.last.handlers.opened();
  t.same(log.lines, ['listed 1 100', 'opened', 'failed unreachable', 'opened']);
  t.equal(api.openPeak, 1);
});
