import t from 'tap';
import type { CarpoolEvent } from '../../src/observer.ts';
import { FlapWatch } from '../../src/status/flap-watch.ts';
import { TestClock } from '../test-clock.ts';

function watching() {
  const clock = new TestClock();
  const passed: CarpoolEvent[] = [];
  const watch = new FlapWatch(clock, { emit: (event) => passed.push(event) });
  const at = (endpoint: string) => ({ destination: 'orders:80', endpoint });
  return {
    clock,
    watch,
    passed,
    unready: (endpoint = 'a') => watch.emit({ type: 'endpoint_unready', ...at(endpoint) }),
    ready: (endpoint = 'a') => watch.emit({ type: 'endpoint_ready', ...at(endpoint) }),
    ejected: (cause: string) => watch.emit({ type: 'endpoint_ejected', ...at('a'), forMs: 1000, cause }),
    restored: () => watch.emit({ type: 'endpoint_restored', ...at('a') }),
  };
}

t.test('an endpoint flaps when it has gone three times in ten minutes', async (t) => {
  const { clock, watch, unready, ready } = watching();
  for (let time = 0; time < 2; time++) {
    unready();
    clock.advance(30_000);
    ready();
  }
  t.same(watch.flapping(), []);
  unready();
  t.same(watch.flapping(), [{ destination: 'orders:80', endpoint: 'a', times: 3, by: 'unready', why: null }]);
  t.equal(watch.changes('orders:80', 'a'), 5);
});

t.test('what was longer ago than ten minutes counts no more', async (t) => {
  const { clock, watch, unready, ready } = watching();
  for (let time = 0; time < 3; time++) {
    unready();
    ready();
    clock.advance(150_000);
  }
  t.equal(watch.flapping().length, 1);
  clock.advance(150_000);
  t.same(watch.flapping(), []);
  t.equal(watch.changes('orders:80', 'a'), 4);
});

t.test('coming back counts only for one who was away by that', async (t) => {
  const { watch, ready, unready, restored } = watching();
  ready();
  t.equal(watch.changes('orders:80', 'a'), 0, 'the first time that a pod is ready');
  unready();
  restored();
  t.equal(watch.changes('orders:80', 'a'), 1);
});

t.test('what made it go most often is the reason, with the last words about it', async (t) => {
  const { watch, ejected, restored, unready, ready } = watching();
  unready();
  ready();
  for (const cause of ['503', 'reset', 'ECONNREFUSED']) {
    ejected(cause);
    restored();
  }
  t.match(watch.flapping(), [{ times: 4, by: 'ejected', why: 'ECONNREFUSED' }]);
});

t.test('rollouts do not flap: pods come and go for good', async (t) => {
  const { watch, unready } = watching();
  for (let pod = 0; pod < 20; pod++) {
    watch.emit({ type: 'endpoint_added', destination: 'orders:80', endpoint: `p${pod}` });
    unready(`p${pod}`);
    watch.emit({ type: 'endpoint_removed', destination: 'orders:80', endpoint: `p${pod}` });
  }
  t.same(watch.flapping(), []);
});

t.test('every event is handed on, once', async (t) => {
  const { watch, passed, unready } = watching();
  unready();
  watch.emit({ type: 'destination_added', destination: 'x:1' });
  t.same(
    passed.map(({ type }) => type),
    ['endpoint_unready', 'destination_added'],
  );
});

t.test('it is bounded: of very many endpoints those whose last change is the oldest are forgotten', async (t) => {
  const { watch, unready } = watching();
  for (let endpoint = 0; endpoint < 2001; endpoint++) unready(`e${endpoint}`);
  t.equal(watch.changes('orders:80', 'e0'), 0);
  t.equal(watch.changes('orders:80', 'e1'), 1);
  for (let time = 0; time < 500; time++) unready('e1');
  t.ok(watch.changes('orders:80', 'e1') <= 64);
});
