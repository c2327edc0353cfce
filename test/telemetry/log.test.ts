import t, { type Test } from 'tap';
import { humanLine } from '../../src/telemetry/human-line.ts';
import { openLog } from '../../src/telemetry/log.ts';
import { TestClock } from '../test-clock.ts';
import { jsonLines, makePipe } from './pipes.ts';

function setup(t: Test, level: 'debug' | 'info' = 'info') {
  const clock = new TestClock();
  const pipe = makePipe(t);
  const log = openLog({ level, clock, fd: pipe.writeFd, human: true });
  t.teardown(() => log.close());
  const lines = () => {
    log.writer.flushSync();
    return jsonLines(pipe.read());
  };
  return { clock, log, lines };
}

t.test('a line is JSON with level, time and msg, and our fields', (t) => {
  const { log, lines } = setup(t);
  log.logger.warn({ destination: 'a:80' }, 'hello');
  t.same(lines(), [{ level: 'warn', time: '2026-01-01T00:00:00.000Z', destination: 'a:80', msg: 'hello' }]);
  t.end();
});

t.test('the level can be changed while running, to a level that there is', (t) => {
  const { log, lines } = setup(t);
  log.logger.debug('no');
  t.equal(log.setLevel('debug'), true);
  log.logger.debug('yes');
  t.equal(log.setLevel('loud'), false);
  log.logger.debug('still');
  t.equal(log.setLevel('silent'), true);
  log.logger.fatal('no');
  t.same(
    lines().map(({ msg }) => msg),
    ['yes', 'still'],
  );
  t.end();
});

t.test('a fatal error is written before the call returns', (t) => {
  const { log, lines } = setup(t);
  log.fatal(new Error('broken'), 'giving up');
  t.match(lines(), [{ level: 'fatal', msg: 'giving up', err: { message: 'broken' } }]);
  t.end();
});

t.test('what looks like a credential is not written, should somebody log it', (t) => {
  const { log, lines } = setup(t);
  log.logger.info({ authorization: 'Bearer abc', headers: { cookie: 'abc' }, token: 'abc' }, 'oops');
  const text = JSON.stringify(lines());
  t.notMatch(text, /abc/);
  t.match(text, /\*\*\*/);
  t.end();
});

t.test('an opened log holds one exit listener, and a closed one none', (t) => {
  const before = process.listenerCount('exit');
  const pipe = makePipe(t);
  const log = openLog({ level: 'info', clock: new TestClock(), fd: pipe.writeFd });
  t.equal(process.listenerCount('exit'), before + 1);
  log.logger.info('last words');
  log.close();
  t.equal(process.listenerCount('exit'), before);
  t.match(pipe.read(), /last words/);
  t.end();
});

t.test('a line for people has time, level, message and fields', (t) => {
  const line = '{"level":"warn","time":"2026-01-01T10:20:30.456Z","a":"x","n":3,"o":{"p":1},"msg":"hello"}\n';
  t.equal(humanLine(line), '10:20:30.456 WARN  hello a=x n=3 o={"p":1}\n');
  t.equal(humanLine('not json\n'), 'not json\n');
  t.end();
});
