import t, { type Test } from 'tap';
import type { AccessRecord } from '../../src/observer.ts';
import { AccessLog, type AccessLogSettings } from '../../src/telemetry/access-log.ts';
import { LineWriter } from '../../src/telemetry/line-writer.ts';
import { TestClock } from '../test-clock.ts';
import { jsonLines, makePipe } from './pipes.ts';

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 0, 1),
  method: 'GET',
  host: 'orders.shop:8080',
  path: '/a/b?token=secret#x',
  status: 200,
  durationMs: 12.3456789,
  bytesUp: 10,
  bytesDown: 20,
  endpoint: '10.0.0.1:8080',
  reused: true,
  attempts: 1,
  error: null,
};

function setup(t: Test, settings: Partial<AccessLogSettings>, random?: () => number) {
  const pipe = makePipe(t);
  const writer = new LineWriter({ clock: new TestClock(), fd: pipe.writeFd });
  t.teardown(() => writer.close());
  const log = new AccessLog(
    { accessLog: 'all', accessLogSample: 0, accessLogPath: false, ...settings },
    writer,
    random ?? Math.random,
  );
  const lines = () => {
    writer.flushSync();
    return jsonLines(pipe.read());
  };
  return { log, lines };
}

t.test('a line says what happened, without the path unless asked for', (t) => {
  const { log, lines } = setup(t, {});
  log.write(RECORD);
  t.same(lines(), [
    {
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      msg: 'access',
      method: 'GET',
      host: 'orders.shop:8080',
      status: 200,
      durationMs: 12.346,
      bytesUp: 10,
      bytesDown: 20,
      endpoint: '10.0.0.1:8080',
      reused: true,
      attempts: 1,
      error: null,
    },
  ]);
  t.end();
});

t.test('the path is cut where its query begins, and credentials in a host are cut off', (t) => {
  const { log, lines } = setup(t, { accessLogPath: true });
  log.write(RECORD);
  log.write({ ...RECORD, path: '/plain', host: 'user:secret@orders' });
  log.write({ ...RECORD, path: null });
  const written = lines();
  t.match(written[0], { path: '/a/b' });
  t.match(written[1], { path: '/plain', host: 'orders' });
  t.notOk(Object.hasOwn(written[2] ?? {}, 'path'));
  t.notMatch(JSON.stringify(written), /secret/);
  t.end();
});

t.test('the mode decides which exchanges are written', (t) => {
  const wanted = (settings: Partial<AccessLogSettings>) => {
    const { log } = setup(t, settings, () => 0.3);
    return [200, 404, 500, 0].filter((status) => log.wants(status));
  };
  t.same(wanted({ accessLog: 'off' }), []);
  t.same(wanted({ accessLog: 'errors' }), [500, 0]);
  t.same(wanted({ accessLog: 'all' }), [200, 404, 500, 0]);
  t.same(wanted({ accessLog: 'sampled', accessLogSample: 0.3 }), []);
  t.same(wanted({ accessLog: 'sampled', accessLogSample: 0.31 }), [200, 404, 500, 0]);
  const { log } = setup(t, { accessLog: 'errors' });
  t.equal(log.wants(403, true), true, 'an error of carpool’s own, whatever its status');
  log.configure({ accessLog: 'off', accessLogSample: 0, accessLogPath: false });
  t.equal(log.wants(500), false, 'after a reload');
  t.end();
});
