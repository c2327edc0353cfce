import { createServer } from 'node:http';
import t, { type Test } from 'tap';
import { checkRunning } from '../../src/cli/doctor-running.ts';
import { checkListener, checkOperator } from '../../src/cli/doctor-sidecar.ts';
import { portOf } from '../admin/port-of.ts';
import { startSidecar } from '../sidecar.ts';
import { answerOf } from '../status/findings-fixture.ts';
import { doctorContext, findingsOf, inShort } from './doctor-fixture.ts';

/** Something at an operator port that answers everything so. */
async function answering(t: Test, status: number, body: string): Promise<number> {
  const server = createServer((_request, response) => {
    response.statusCode = status;
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return portOf(server);
}

const lookAt = (t: Test, settings: Record<string, unknown>) => {
  const context = doctorContext(t, settings);
  return findingsOf(context.clock, (findings) => checkRunning(context, findings));
};

t.test('a sidecar that is well has nothing to complain of', async (t) => {
  const { operatorPort: port } = await startSidecar(t);
  t.same(inShort(await lookAt(t, { operator: { port } })), ['ok the running sidecar has nothing to complain of']);
});

t.test('what the running sidecar finds is told with its remedies and its lines', async (t) => {
  const sidecar = await startSidecar(t);
  await answerOf(t, sidecar.port, Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  const [finding, ...rest] = await lookAt(t, { operator: { port: sidecar.operatorPort } });
  t.same(rest, []);
  t.match(finding, {
    check: 'it',
    status: 'fail',
    message: /^The app speaks TLS to the proxy: 1 connection/,
    remedy: `Set HTTPS_PROXY to http://127.0.0.1:${sidecar.port}, with http://`,
    lines: [/HTTPS_PROXY=http:/, /doctor --environ/],
  });
});

t.test('without an operator port its control socket is asked', async (t) => {
  const sidecar = await startSidecar(t);
  await answerOf(t, sidecar.port, Buffer.from([5, 1, 0]));
  const socket = sidecar.configFile.replace(/carpool\.yaml$/, 'control.sock');
  const [finding] = await lookAt(t, { operator: { enabled: false }, control: { socket } });
  t.match(finding?.message, 'The app speaks SOCKS');
});

t.test('an older sidecar is told as such, and is no failure', async (t) => {
  const port = await answering(t, 404, '{"code":"NOT_FOUND"}');
  t.match(inShort(await lookAt(t, { operator: { port } })), [/^ok .*older than this command/]);
});

t.test('an answer that is none of carpool’s is a warning', async (t) => {
  for (const [status, body] of [
    [200, 'hello'],
    [200, '{}'],
    [500, '{"findings":[]}'],
  ] as const) {
    const port = await answering(t, status, body);
    t.match(inShort(await lookAt(t, { operator: { port } })), [/^warn .*not as carpool does/], body);
  }
});

t.test('a warning is no failure, and names its destination', async (t) => {
  const body = JSON.stringify({
    findings: [
      {
        severity: 'warning',
        destination: 'orders:80',
        title: 'Something',
        detail: 'Seen.',
        remedies: ['Do.'],
        lines: [],
      },
      { severity: 'info', destination: null, title: 'By the way', detail: '', remedies: [], lines: [] },
    ],
  });
  const port = await answering(t, 200, body);
  t.same(await lookAt(t, { operator: { port } }), [
    { check: 'it', status: 'warn', message: 'orders:80: Something. Seen.', remedy: 'Do.' },
    { check: 'it', status: 'ok', message: 'By the way', remedy: null },
  ]);
});

t.test('the sidecar that the user named is asked in place of the configuration’s, and has to be there', async (t) => {
  const { operatorPort } = await startSidecar(t);
  const at = (port: number) => {
    const named = { kind: 'url', url: `http://127.0.0.1:${port}`, token: null } as const;
    const context = doctorContext(t, { operator: { port: 9 } }, { named });
    return findingsOf(context.clock, async (findings) => {
      await checkOperator(context, findings);
      await checkRunning(context, findings);
    });
  };
  t.match(inShort(await at(operatorPort)), [/^ok .*says ready/, /^ok .*nothing to complain of/]);
  t.match(inShort(await at(9)), [/^fail nothing listens/, /^fail nothing listens/]);
});

t.test('where nobody listens the check of the operator port says so, and this one nothing', async (t) => {
  t.same(await lookAt(t, { operator: { port: 9 } }), []);
});

t.test('the listener of a sidecar that the user named may be elsewhere, and is no failure', async (t) => {
  const named = { kind: 'url', url: 'http://127.0.0.1:9', token: null } as const;
  const context = doctorContext(t, { listener: { port: 9 } }, { named });
  const found = await findingsOf(context.clock, (findings) => checkListener(context, findings));
  t.match(inShort(found), [/^warn nothing listens on 127\.0\.0\.1:9: the listener of the sidecar that was named/]);
});
