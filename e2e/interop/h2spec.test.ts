import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { readSpecReport, type SpecCase } from './h2spec-report.ts';
import { http1Origin, http2Origin } from './origin.ts';
import { runToEnd } from './run-to-end.ts';
import { startSidecar } from './sidecar.ts';
import { goTool, missing } from './tools.ts';

/** All of the groups generic, http2 and hpack, with what RFC 9113 only asks for (`--strict`). */
const CASES = 146;
const skip = missing('h2spec');

/** Runs all of h2spec against a port; a machine that is busy may need more than its usual two seconds. */
async function spec(port: number, path: string): Promise<readonly SpecCase[]> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const argv = [goTool('h2spec'), '--host', '127.0.0.1', '--port', String(port), '--path', path, '--timeout', '4'];
    const { stdout, stderr } = await runToEnd([
      ...argv,
      '--junit-report',
      report,
      '--strict',
      'generic',
      'http2',
      'hpack',
    ]);
    if (!existsSync(report)) throw new Error(`h2spec did not come to its end: ${stdout.slice(-1000)} ${stderr}`);
    return readSpecReport(readFileSync(report, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkAll(t: Test, cases: readonly SpecCase[]): void {
  t.equal(cases.length, CASES, 'all were run');
  const unlike = cases.filter(({ outcome }) => outcome !== 'passed');
  t.same(
    unlike.map(({ section, title, outcome, details }) => `${outcome}: ${section} ${title}: ${details}`),
    [],
    'each passed',
  );
}

for (const [spoken, open] of [
  ['http2', http2Origin],
  ['http1', http1Origin],
] as const)
  t.test(`h2spec finds nothing at a local port whose origin speaks ${spoken}`, { skip }, async (t) => {
    const origin = await open(t);
    const sidecar = await startSidecar(t, [{ match: 'spec.test:80', origin: origin.port, protocol: spoken }]);
    checkAll(t, await spec(sidecar.local('spec.test:80'), '/'));
    t.ok(origin.connections > 0, 'the origin was asked');
    t.notOk(sidecar.ended, 'the sidecar lives');
  });

t.test('h2spec finds nothing at the main port, where carpool answers itself', { skip }, async (t) => {
  const sidecar = await startSidecar(t, []);
  // It names the port that it talks to: a loop, which is refused with an answer.
  checkAll(t, await spec(sidecar.port, '/'));
  t.notOk(sidecar.ended, 'the sidecar lives');
});

t.test('what begins neither as HTTP/2 nor as HTTP/1.1 is told so in a GOAWAY, and the connection ends', async (t) => {
  const sidecar = await startSidecar(t, []);
  const socket = connect(sidecar.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write('INVALID CONNECTION PREFACE\r\n\r\n');
  t.match(await text(socket), /carpool speaks HTTP\/1\.1 and HTTP\/2: the version must be/);
});
