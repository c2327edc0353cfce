import t, { type Test } from 'tap';
import { EventLog } from '../../src/telemetry/event-log.ts';
import { openLog } from '../../src/telemetry/log.ts';
import { TestClock } from '../test-clock.ts';
import { jsonLines, makePipe } from './pipes.ts';

function setup(t: Test, level: 'debug' | 'info' = 'info') {
  const clock = new TestClock();
  const pipe = makePipe(t);
  const log = openLog({ level, clock, fd: pipe.writeFd });
  const events = new EventLog({ logger: log.logger, clock });
  t.teardown(() => {
    events.close();
    log.close();
  });
  const lines = () => {
    let text = '';
    do {
      log.writer.flushSync();
      text += pipe.read();
    } while (log.writer.waitingBytes > 0);
    return jsonLines(text);
  };
  const fail = (destination = 'a:80', code = 'ECONNREFUSED') =>
    events.emit({ type: 'connect_failed', destination, endpoint: '10.0.0.1:80', code, message: 'refused' });
  const close = (requests: number) =>
    events.emit({
      type: 'connection_closed',
      destination: 'a:80',
      endpoint: '10.0.0.1:80',
      reason: 'max_age',
      ageMs: 5,
      requests,
    });
  return { clock, events, lines, fail, close };
}

t.test('connections that end are for debugging, endpoints that are ejected are a warning', (t) => {
  const { events, lines, close } = setup(t);
  close(3);
  t.same(lines(), []);
  events.emit({ type: 'endpoint_ejected', destination: 'a:80', endpoint: 'e', forMs: 60_000, cause: '5 failures' });
  events.emit({ type: 'endpoint_restored', destination: 'a:80', endpoint: 'e' });
  t.match(lines(), [
    { level: 'warn', event: 'endpoint_ejected', destination: 'a:80', forMs: 60_000 },
    { level: 'info', event: 'endpoint_restored' },
  ]);
  const debug = setup(t, 'debug');
  debug.close(3);
  t.match(debug.lines(), [{ level: 'debug', event: 'connection_closed', reason: 'max_age', requests: 3 }]);
  t.end();
});

t.test('a failure to connect is logged at once, then once in ten seconds with a count', (t) => {
  const { clock, lines, fail, events } = setup(t);
  for (let i = 0; i < 5; i++) fail();
  fail('b:80');
  fail('a:80', 'ETIMEDOUT');
  t.match(
    lines().map(({ destination, code, count }) => [destination, code, count]),
    [
      ['a:80', 'ECONNREFUSED', undefined],
      ['b:80', 'ECONNREFUSED', undefined],
      ['a:80', 'ETIMEDOUT', undefined],
    ],
  );
  clock.advance(9999);
  t.same(lines(), []);
  clock.advance(1);
  t.match(lines(), [{ level: 'warn', destination: 'a:80', code: 'ECONNREFUSED', count: 4 }]);
  fail();
  t.same(lines(), [], 'another ten seconds have begun');
  clock.advance(10_000);
  t.match(
    lines(),
    [{ destination: 'a:80', code: 'ECONNREFUSED' }],
    'still throttled: one line at the end of the window',
  );
  clock.advance(10_000);
  t.same(lines(), []);
  t.equal(clock.waiting, 0, 'nobody fails any more, so no timer is left');
  fail();
  t.equal(lines().length, 1, 'at once again');
  t.match(events.recent()[0], { count: 7 }, 'and one row for all, which are told below');
  t.end();
});

t.test('failures of ever more destinations do not make ever more lines', (t) => {
  const { clock, lines, fail } = setup(t);
  for (let i = 0; i < 3000; i++) fail(`h${i}:80`);
  const first = lines().length;
  t.ok(first <= 501, `${first} lines`);
  clock.advance(10_000);
  const rest = lines();
  t.match(rest, [{ msg: 'cannot connect to many endpoints, this one the last' }]);
  t.equal(rest.length, 1);
  t.equal(first + Number(rest[0]?.count), 3000, 'all are counted');
  t.end();
});

t.test('what was held back is said when the log ends, and its timer ends too', (t) => {
  const { clock, lines, fail, events } = setup(t);
  fail();
  fail();
  fail();
  lines();
  events.close();
  t.match(lines(), [{ destination: 'a:80', count: 2 }]);
  t.equal(clock.waiting, 0);
  t.end();
});

t.test('the last 200 events are kept, and a flood of closes does not push out the others', (t) => {
  const { events, clock, close } = setup(t);
  events.emit({ type: 'destination_added', destination: 'a:80' });
  clock.advance(5);
  for (let i = 0; i < 1000; i++) close(i);
  t.equal(events.recent().length, 101);
  t.match(events.recent()[0], { event: { type: 'connection_closed', requests: 999 } }, 'newest first');
  t.match(events.recent().at(-1), { event: { type: 'destination_added' }, time: clock.wall() - 5 });
  for (let i = 0; i < 1000; i++) events.emit({ type: 'destination_added', destination: `${i}:80` });
  t.equal(events.recent().length, 200);
  t.end();
});

t.test('an endpoint that is down for long is one row, which comes anew each time', (t) => {
  const { events, clock, fail } = setup(t);
  events.emit({ type: 'destination_added', destination: 'a:80' });
  const since = clock.wall();
  for (let time = 0; time < 300; time++) {
    fail();
    clock.advance(12_000);
  }
  const [row, ...others] = events.recent();
  t.match(others, [{ event: { type: 'destination_added' } }], 'nothing is pushed out');
  t.equal(others.length, 1);
  t.match(row, { count: 300, time: clock.wall() - 12_000, joined: { first: 2, since } });
  t.equal(row?.sequence, events.last, 'readers by sequence see it');
  t.same(events.recent(events.last - 1), [row]);
  t.end();
});

t.test('another endpoint, another code and what is long past are rows of their own', (t) => {
  const { events, clock, fail } = setup(t);
  fail();
  fail('a:80', 'ETIMEDOUT');
  events.emit({ type: 'connect_failed', destination: 'a:80', endpoint: 'e', code: 'EPIPE', message: 'm' });
  events.emit({ type: 'connect_failed', destination: 'b:80', endpoint: 'e', code: 'EPIPE', message: 'm' });
  clock.advance(30_000);
  events.emit({ type: 'connect_failed', destination: 'a:80', endpoint: 'e', code: 'ECONNREFUSED', message: 'm' });
  clock.advance(30_000);
  t.equal(events.recent().length, 5);
  clock.advance(600_000);
  fail();
  t.match(events.recent()[0], { count: 1 });
  t.equal(events.recent().length, 6);
  t.end();
});

t.test('what is said of health checks is true also of an endpoint that serves on', (t) => {
  const { events, lines } = setup(t);
  const message = 'status 404; it serves on, for no other one is fit';
  events.emit({ type: 'check_failed', destination: 'a:80', endpoint: 'e', message });
  events.emit({ type: 'check_passed', destination: 'a:80', endpoint: 'e' });
  events.emit({ type: 'destination_paused', destination: 'a:80' });
  const [failed, passed, paused] = lines();
  t.match(failed, { message, msg: 'endpoint fails its health checks: it gets no requests while another one is fit' });
  t.match(passed, { msg: 'endpoint passes its health checks again' });
  t.match(paused, { msg: /wait for up to pool\.pauseTimeout/ }, 'which may be 0');
  t.end();
});
