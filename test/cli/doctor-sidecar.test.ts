import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Test, test } from 'tap';
import { checkFileLimit, checkListener, checkOperator } from '../../src/cli/doctor-sidecar.ts';
import { portOf } from '../admin/port-of.ts';
import { startSidecar } from '../sidecar.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort, NOBODY } from './doctor-fixture.ts';

/** A server that answers each connection with the same bytes; null: nothing ever. */
async function answering(t: Test, answer: string | null): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer !== null && socket.end(answer));
    t.teardown(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

const listener = async (t: Test, settings: Record<string, unknown>, clock = new TestClock()) => {
  const context = doctorContext(t, { listener: settings, ...NOBODY }, { clock });
  const findings = await findingsOf(clock, (sink) => checkListener(context, sink));
  t.equal(clock.waiting, 0, 'no timer is left');
  return findings;
};

const operator = (t: Test, settings: Record<string, unknown>, clock = new TestClock()) => {
  const context = doctorContext(t, { operator: settings }, { clock });
  return findingsOf(clock, (findings) => checkOperator(context, findings));
};

test('a sidecar that runs is recognised, whether it refuses requests in origin form or routes them', async (t) => {
  for (const originForm of ['refuse', 'route']) {
    const { port, operatorPort } = await startSidecar(t, { listener: { originForm } });
    t.same(inShort(await listener(t, { port })), [`ok carpool listens on 127.0.0.1:${port}`], originForm);
    const metrics = await (await fetch(`http://127.0.0.1:${operatorPort}/metrics`)).text();
    t.notMatch(metrics, /^carpool_errors_total\{.*\} [1-9]/m, 'and the look counts as no error');
    const wildcard = await listener(t, { port, host: '0.0.0.0', allowNonLoopback: true });
    t.same(inShort(wildcard), [`ok carpool listens on 127.0.0.1:${port}`], 'a wildcard is dialled as loopback');
  }
});

test('the port that nobody listens on is named, with what to do', async (t) => {
  const port = await freePort();
  t.match(await listener(t, { port }), [
    {
      status: 'fail',
      message: `nothing listens on 127.0.0.1:${port}: the sidecar is not running, or listens elsewhere`,
      remedy: /carpool run.*--config/,
    },
  ]);
});

test('another process at the port of the listener is told from carpool', async (t) => {
  const http = await answering(t, 'HTTP/1.1 200 OK\r\nserver: nginx\r\ncontent-length: 0\r\n\r\n');
  t.match(await listener(t, { port: http }), [
    { status: 'fail', message: /is not carpool \(its answer: HTTP\/1\.1 200 OK\)/, remedy: /another listener\.port/ },
  ]);
  const closing = await answering(t, '');
  t.match(await listener(t, { port: closing }), [{ status: 'fail', message: /is not carpool \(it did not answer\)/ }]);
});

test('a listener that accepts and says nothing is given up after three seconds of the clock', async (t) => {
  const server = createServer((socket) => t.teardown(() => socket.destroy())).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const clock = new TestClock();
  const accepted = once(server, 'connection').then(([socket]) => once(socket, 'data'));
  const running = listener(t, { port: portOf(server) }, clock);
  await accepted;
  clock.advance(3000);
  t.match(await running, [{ status: 'fail', message: /it did not answer/ }]);
});

test('a sidecar at its limit is there, and that is a warning', async (t) => {
  const full =
    'HTTP/1.1 503 Service Unavailable\r\nproxy-status: carpool; error=connection_limit_reached\r\ncontent-length: 0\r\n\r\n';
  t.match(await listener(t, { port: await answering(t, full) }), [{ status: 'warn', message: /refuses with 503/ }]);
});

test('a free port of the listener or the operator cannot be known', async (t) => {
  t.match(await listener(t, { port: 0 }), [{ status: 'warn', message: /listener\.port is 0/, remedy: /--port/ }]);
  t.match(await operator(t, { port: 0 }), [{ status: 'warn', message: /operator\.port is 0/ }]);
});

test('the operator port of a sidecar says ready, or what it does instead', async (t) => {
  const { operatorPort, app } = await startSidecar(t);
  t.same(inShort(await operator(t, { port: operatorPort })), [`ok http://127.0.0.1:${operatorPort}/readyz says ready`]);
  void app.stop();
  t.match(await operator(t, { port: operatorPort, host: '127.0.0.1' }), [
    { status: 'fail', message: /\/readyz says draining/, remedy: /carpool wait/ },
  ]);
});

test('the listener in place of the operator port is told as such', async (t) => {
  const { port } = await startSidecar(t);
  t.match(await operator(t, { port }), [
    { status: 'fail', message: `http://127.0.0.1:${port} is the listener of carpool, and not its operator port` },
  ]);
});

test('an operator port that is off, or nobody’s, or somebody else’s is told', async (t) => {
  t.match(await operator(t, { enabled: false }), [{ status: 'ok', message: /off by configuration/ }]);
  const port = await freePort();
  t.match(await operator(t, { port }), [
    { status: 'fail', message: `nothing listens on http://127.0.0.1:${port}`, remedy: /operator\.port/ },
  ]);
  const cut = await answering(t, 'HTTP');
  t.match(await operator(t, { port: cut }), [{ status: 'fail', message: /^no answer from http:\/\/127/ }]);
  const other = await answering(t, 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
  t.match(await operator(t, { port: other }), [{ status: 'fail', message: /answers 404, and not as carpool does/ }]);
});

test('the file limit is held against what the configuration allows', async (t) => {
  const { config, clock } = doctorContext(t, {
    listener: { maxConnections: 1000 },
    limits: { maxConnections: 3000 },
  });
  const limit = (files: number) => findingsOf(clock, (findings) => checkFileLimit(config, files, findings));
  t.match(await limit(4128), [{ status: 'ok', message: /1000 connections of the app and 3000 to upstreams/ }]);
  t.match(await limit(4127), [{ status: 'warn', remedy: /to 4128 .*ulimit -n.*listener\.maxConnections/ }], 'one less');
  const uneven = doctorContext(t, { listener: { maxConnections: 3000 }, limits: { maxConnections: 1000 } });
  const [odd] = await findingsOf(clock, (findings) => checkFileLimit(uneven.config, 6127, findings));
  t.match(odd?.remedy, /to 6128 /, 'half of them at most are for the app');
  t.match(await limit(1024), [
    {
      status: 'warn',
      message: 'with 1024 open files 448 connections of the app (of 1000) and 448 to upstreams (of 3000) fit',
    },
  ]);
});
