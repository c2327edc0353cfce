import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { refusingPort } from '../pool/pool-fixture.ts';
import { rawClient } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A server that is not there yet, one destination that leads to it, and an app. */
async function away(t: Test, retry: Record<string, unknown>) {
  const port = await refusingPort();
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'api.test:80', endpoints: [`127.0.0.1:${port}`], retry }],
  });
  const client = await rawClient(t, sidecar.port);
  const seen: string[] = [];
  const comesUp = (): Promise<void> => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (bytes) => {
        seen.push(bytes.toString('latin1'));
        socket.write(OK);
      });
      t.teardown(() => socket.destroy());
    });
    t.teardown(() => server.close());
    return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  };
  const waits = (): Promise<void> =>
    eventually(() => sidecar.app.destinations()[0]?.connecting === 0 && sidecar.app.destinations()[0]?.pending === 0);
  const ask = (method: string, body = ''): void => {
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    client.write(`${method} http://api.test/x HTTP/1.1\r\nHost: api.test\r\n${length}\r\n${body}`);
  };
  return { ...sidecar, client, seen, comesUp, waits, ask };
}

for (const [method, body] of [
  ['GET', ''],
  ['POST', 'amount=1'],
] as const) {
  t.test(
    `where no endpoint takes a connection ${method} is asked again after its wait, for nothing was sent`,
    async (t) => {
      const server = await away(t, { attempts: 3, backoffBase: '1s' });
      server.ask(method, body);
      await server.waits();
      t.equal(server.client.received, '', 'it is not answered yet');
      server.clock.advance(1000);
      await server.waits();
      await server.comesUp();
      server.clock.advance(2000);
      await server.client.untilReceived('ok');
      t.equal(server.seen.length, 1);
      t.ok(server.seen[0]?.endsWith(`\r\n\r\n${body}`), 'whole');
    },
  );
}

t.test('as many tries as policy says, and the error then', async (t) => {
  const server = await away(t, { attempts: 2, backoffBase: '1s' });
  server.ask('GET');
  await server.waits();
  server.clock.advance(1000);
  await server.client.untilReceived('CONNECT_FAILED');
  t.match(server.client.received, /^HTTP\/1.1 502 /);
});

t.test('without retry.attempts a connect that is refused is an error at once', async (t) => {
  const server = await away(t, {});
  server.ask('GET');
  await server.client.untilReceived('CONNECT_FAILED');
});

t.test('an app that leaves while its request waits for another connect ends the wait', async (t) => {
  const server = await away(t, { attempts: 3, backoffBase: '1s' });
  server.ask('GET');
  await server.waits();
  server.client.socket.resetAndDestroy();
  await eventually(() => server.app.process().exchanges === 0);
  await server.comesUp();
  server.clock.advance(10_000);
  t.same(server.seen, []);
});
