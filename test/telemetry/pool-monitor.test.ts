import t from 'tap';
import { type CarpoolEvent, DestinationObserver, type PoolSignal } from '../../src/observer.ts';
import { addCounters, moveCounters } from '../../src/telemetry/counters.ts';
import { nextState, PoolMonitor } from '../../src/telemetry/pool-monitor.ts';

type Pool = {
  pending: { size: number };
  limit: { current: number; configured: number; scaled: number | null; share: number | null; awaited?: boolean };
  places: { counted: number; taken: number };
  signals: readonly PoolSignal[];
};

/** One destination before a monitor: the test says what its pool holds, and moves the time. */
class Scene {
  readonly events: CarpoolEvent[] = [];
  readonly observer = new DestinationObserver('orders');
  readonly pool: Pool = {
    pending: { size: 0 },
    limit: { current: 10, configured: 10, scaled: null, share: null },
    places: { counted: 0, taken: 0 },
    signals: [],
  };
  readonly #monitor = new PoolMonitor({ emit: (event) => this.events.push(event) });
  #now = 50_000;

  /** So many seconds, with the look of each. */
  seconds(count: number, each: () => void = () => {}): void {
    for (let second = 0; second < count; second++) {
      each();
      this.#now += 1000;
      this.look();
    }
  }

  look(): void {
    this.#monitor.tick(this.#now, [{ name: 'orders:80', observer: this.observer, pool: this.pool }]);
  }

  /** Requests that end with this status. */
  requests(count: number, status: number): void {
    for (let index = 0; index < count; index++) this.observer.requestEnded(0, status, 1);
  }

  /** The events so far, as `+signal` and `-signal`. */
  get told(): string[] {
    return this.events.flatMap((event) =>
      event.type === 'pool_strained'
        ? [`+${event.signal}`]
        : event.type === 'pool_relieved'
          ? [`-${event.signal}`]
          : [],
    );
  }
}

t.test('more than 100 waiting requests are told once, and their end ten seconds after they are fewer', (t) => {
  const scene = new Scene();
  scene.pool.pending.size = 100;
  scene.seconds(5);
  t.same(scene.told, []);
  scene.pool.pending.size = 101;
  scene.seconds(30);
  t.same(scene.told, ['+pending'], 'it is told once');
  t.same(scene.pool.signals, ['pending']);
  t.match(scene.events[0], { type: 'pool_strained', destination: 'orders:80', value: 101, threshold: 100 });
  scene.pool.pending.size = 100;
  scene.seconds(9);
  scene.pool.pending.size = 500;
  scene.seconds(1);
  scene.pool.pending.size = 0;
  scene.seconds(10);
  t.same(scene.told, ['+pending'], 'not over yet: it came again within ten seconds');
  scene.seconds(1);
  t.same(scene.told, ['+pending', '-pending']);
  t.same(scene.pool.signals, []);
  t.end();
});

t.test('more than a tenth of the requests of the last minute failed', (t) => {
  const scene = new Scene();
  scene.requests(90, 200);
  scene.requests(10, 503);
  scene.seconds(1);
  t.same(scene.told, [], 'a tenth is not more than a tenth');
  scene.requests(1, 502);
  scene.seconds(1);
  t.same(scene.told, ['+errors']);
  t.match(scene.events[0], { value: 0.11, threshold: 0.1, hint: /^11 of 101 requests of the last minute failed/ });
  scene.seconds(45);
  t.same(scene.told, ['+errors'], 'no repeats');
  scene.seconds(30);
  t.same(scene.told, ['+errors', '-errors'], 'the minute is over');
  t.end();
});

t.test('of fewer than twenty requests no share is told', (t) => {
  const scene = new Scene();
  scene.requests(19, 503);
  scene.seconds(1);
  t.same(scene.told, []);
  scene.requests(1, 503);
  scene.seconds(1);
  t.same(scene.told, ['+errors']);
  t.end();
});

t.test('answers that are the own business of an app are no errors', (t) => {
  const scene = new Scene();
  for (const status of [500, 501, 505, 429, 404, 0]) scene.requests(50, status);
  for (let index = 0; index < 50; index++) {
    scene.observer.error('RATE_LIMITED');
    scene.observer.error('DOWNSTREAM_ABORTED');
    scene.observer.error('BAD_REQUEST');
  }
  scene.seconds(5);
  t.same(scene.told, []);
  t.end();
});

t.test('responses that were cut after their head are errors, and an error that was answered is one', (t) => {
  const scene = new Scene();
  for (let index = 0; index < 15; index++) scene.observer.error('UPSTREAM_RESET');
  scene.requests(100, 200);
  scene.seconds(1);
  t.match(scene.events[0], { signal: 'errors', value: 0.15 });
  const answered = new Scene();
  for (let index = 0; index < 6; index++) answered.observer.error('CONNECT_FAILED');
  answered.requests(6, 502);
  answered.requests(54, 200);
  answered.seconds(1);
  t.same(answered.told, [], '6 of 60, and not 12');
  t.end();
});

t.test('a scrape that takes the counters away changes nothing', (t) => {
  const scene = new Scene();
  const total = new DestinationObserver('total');
  scene.seconds(20, () => {
    scene.requests(9, 200);
    scene.requests(1, 503);
    moveCounters(scene.observer, total);
  });
  t.same(scene.told, []);
  scene.seconds(20, () => {
    scene.requests(8, 200);
    scene.requests(2, 503);
    moveCounters(scene.observer, total);
  });
  t.same(scene.told, ['+errors']);
  addCounters(total, scene.observer);
  scene.seconds(1);
  t.same(scene.told, ['+errors']);
  t.end();
});

t.test('more than 90 % of the limit in use are told at the second look', (t) => {
  const scene = new Scene();
  scene.pool.places = { counted: 10, taken: 9 };
  scene.seconds(10);
  t.same(scene.told, []);
  scene.pool.places.taken = 10;
  scene.seconds(1);
  scene.pool.places.taken = 5;
  scene.seconds(1);
  t.same(scene.told, [], 'for a moment');
  scene.pool.places.taken = 10;
  scene.seconds(2);
  t.same(scene.told, ['+utilization']);
  t.match(scene.events[0], {
    value: 1,
    threshold: 0.9,
    hint: /10 of 10 connections are in use: raise pool\.maxConnections/,
  });
  scene.pool.limit.current = 15;
  scene.seconds(11);
  t.same(scene.told, ['+utilization', '-utilization'], 'the limit in force is what counts');
  t.end();
});

t.test('the hint names what keeps the requests waiting', (t) => {
  const hint = (change: (pool: Pool) => void): string => {
    const scene = new Scene();
    scene.pool.pending.size = 200;
    change(scene.pool);
    scene.seconds(1);
    const [event] = scene.events;
    return event?.type === 'pool_strained' ? event.hint : '';
  };
  t.match(
    hint((pool) => Object.assign(pool.places, { counted: 10, taken: 10 })),
    /raise pool\.maxConnections/,
  );
  t.match(
    hint((pool) => Object.assign(pool.places, { counted: 4, taken: 4 })),
    /connects that are slow or fail/,
  );
  t.match(
    hint((pool) => Object.assign(pool.limit, { current: 3, share: 3 })),
    /share of the fleet's budget is 3: raise fleet\.maxConnections/,
  );
  t.end();
});

t.test('a share of nothing is full as soon as somebody waits', (t) => {
  const scene = new Scene();
  Object.assign(scene.pool.limit, { current: 0, share: 0 });
  scene.pool.places.taken = 0;
  scene.pool.pending.size = 0;
  scene.requests(1, 200);
  scene.seconds(5);
  t.same(scene.told, []);
  scene.pool.pending.size = 1;
  scene.seconds(2);
  t.same(scene.told, ['+utilization']);
  t.end();
});

t.test('signals are told apart, and shown together in one order', (t) => {
  const scene = new Scene();
  scene.pool.places = { counted: 10, taken: 10 };
  scene.seconds(2);
  scene.pool.pending.size = 200;
  scene.requests(30, 504);
  scene.seconds(1);
  t.same(scene.told, ['+utilization', '+pending', '+errors']);
  t.same(scene.pool.signals, ['pending', 'errors', 'utilization']);
  scene.pool.places.taken = 0;
  scene.seconds(11);
  t.same(scene.pool.signals, ['pending', 'errors']);
  t.end();
});

t.test('ticks that come more often than once a second are not looks', (t) => {
  const scene = new Scene();
  scene.pool.places.taken = 10;
  scene.look();
  for (let tick = 0; tick < 10; tick++) scene.look();
  t.same(scene.told, []);
  scene.seconds(1);
  t.same(scene.told, ['+utilization']);
  t.end();
});

t.test('a strained signal that comes back while it relieves is strained still', (t) => {
  const strained = nextState({ state: 'calm', looksOver: 0 }, true, 1, 0);
  t.same(strained, { state: 'strained' });
  const relieving = nextState(strained, false, 1, 1000);
  t.same(relieving, { state: 'relieving', since: 1000 });
  t.same(nextState(relieving, true, 1, 5000), { state: 'strained' });
  t.same(nextState(relieving, false, 1, 10_999), relieving);
  t.same(nextState(relieving, false, 1, 11_000), { state: 'calm', looksOver: 0 });
  t.end();
});

t.test('a share that the fleet’s coordinator has not given yet is no strain', (t) => {
  const scene = new Scene();
  scene.pool.limit = { current: 0, configured: 10, scaled: null, share: 0, awaited: true };
  scene.pool.pending.size = 500;
  scene.seconds(5);
  t.same(scene.told, []);
  scene.pool.limit = { current: 0, configured: 10, scaled: null, share: 0, awaited: false };
  scene.seconds(3);
  t.same(scene.told, ['+pending', '+utilization']);
  t.end();
});
