import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LineWriter } from '../../src/telemetry/line-writer.ts';
import { TestClock } from '../test-clock.ts';
import { jsonLines, makePipe, nextTurn } from './pipes.ts';

t.test('lines of one turn go out together and in order', async (t) => {
  const pipe = makePipe(t);
  const writer = new LineWriter({ clock: new TestClock(), fd: pipe.writeFd });
  t.teardown(() => writer.close());
  writer.write('one\n');
  writer.write('two – ü\n');
  t.equal(pipe.read(), '', 'not inside the turn');
  await nextTurn();
  t.equal(pipe.read(), 'one\ntwo – ü\n');
});

t.test('a reader that stands still costs bounded memory, and what it missed is counted and said', async (t) => {
  const clock = new TestClock();
  const pipe = makePipe(t);
  const writer = new LineWriter({ clock, fd: pipe.writeFd, maxBytes: 200_000 });
  t.teardown(() => writer.close());
  const line = `${JSON.stringify({ msg: 'x'.repeat(985) })}\n`;
  for (let i = 0; i < 1000; i++) {
    writer.write(line);
    if (i % 50 === 0) await nextTurn();
    if (writer.waitingBytes > 200_000) t.fail(`${writer.waitingBytes} bytes wait`);
  }
  t.ok(writer.dropped > 500, `${writer.dropped} dropped`);
  t.equal(clock.waiting, 1, 'one timer tries again');
  const { dropped } = writer;
  let text = '';
  for (let i = 0; i < 10; i++) {
    text += pipe.read();
    clock.advance(50);
    await nextTurn();
  }
  text += pipe.read();
  const lines = jsonLines(text);
  t.equal(lines.length, 1000 - dropped + 1, 'every line that was not counted as dropped arrived whole');
  t.match(lines.at(-1), { level: 'warn', dropped });
  t.equal(writer.waitingBytes, 0);
  t.equal(clock.waiting, 0);
  writer.write('on again\n');
  await nextTurn();
  t.equal(pipe.read(), 'on again\n');
});

t.test('a reader that has gone is no error', async (t) => {
  const clock = new TestClock();
  const pipe = makePipe(t);
  const writer = new LineWriter({ clock, fd: pipe.writeFd });
  pipe.closeReader();
  writer.write('for nobody\n');
  await nextTurn();
  t.equal(writer.dropped, 1);
  writer.write('for nobody\n');
  t.equal(writer.dropped, 2);
  t.equal(clock.waiting, 0);
  writer.close();
});

t.test('flushSync writes at once, also to a regular file', (t) => {
  const path = join(t.testdir(), 'log');
  const fd = openSync(path, 'w');
  const writer = new LineWriter({ clock: new TestClock(), fd });
  writer.write('one\n');
  writer.flushSync();
  t.equal(readFileSync(path, 'utf8'), 'one\n');
  writer.write('two\n');
  writer.close();
  t.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
  closeSync(fd);
  t.end();
});

/** Logs 4 MiB to its standard output, then says on standard error how much was dropped, and exits. */
const PROGRAM = `
  const { openLog } = await import(process.argv[1] + '/telemetry/log.ts');
  const { systemClock } = await import(process.argv[1] + '/clock.ts');
  const log = openLog({ level: 'info', clock: systemClock });
  for (let i = 0; i < 4096; i++) log.logger.info({ i }, 'x'.repeat(1000));
  setImmediate(() => {
    log.logger.info('the last one');
    console.error(JSON.stringify({ dropped: log.writer.dropped, waiting: log.writer.waitingBytes }));
    process.exit(0);
  });
`;
const SOURCE = new URL('../../src', import.meta.url).pathname;

for (const kind of ['pipe', 'socket'] as const)
  t.test(`a process whose ${kind} nobody reads goes on and exits`, async (t) => {
    // Node connects a child's "pipe" by a socket; a shell makes a real pipe, and sleep never reads it.
    const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', PROGRAM, SOURCE];
    const quoted = node.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const child =
      kind === 'pipe'
        ? spawn('sh', ['-c', `{ ${quoted}; echo "exit $?" >&2; } | { read line <&3; }`], {
            stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
          })
        : spawn(node[0] ?? '', node.slice(1), { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    t.teardown(() => {
      child.kill('SIGKILL');
      // The end of its fourth descriptor ends the shell's reader.
      for (const stream of child.stdio) stream?.destroy();
    });
    let err = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    if (kind === 'socket') {
      const [code] = await once(child, 'exit');
      t.equal(code, 0);
      child.stdout?.resume();
    } else while (!err.includes('exit ') && child.stderr) await once(child.stderr, 'data');
    const report = JSON.parse(err.split('\n')[0] ?? '');
    t.ok(report.dropped > 1000, err);
    t.ok(report.waiting <= 1_048_576, err);
    if (kind === 'pipe') t.match(err, /exit 0/);
  });
