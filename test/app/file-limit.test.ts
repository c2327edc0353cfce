import net from 'node:net';
import t, { type Test } from 'tap';
import { defaultConfig } from '../../src/config/load.ts';
import { connectionLimits } from '../../src/file-limit.ts';
import { call } from '../admin/call.ts';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { BUNDLE, Child, childConfig, cleanEnvironment, untilReady } from './child.ts';

const FILES = 200;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A sidecar that may open so few files. */
async function startWithFewFiles(t: Test) {
  // CONNECT dials at once, whatever its port.
  const { file } = childConfig(t, { connect: { tlsPorts: ['1-65535'] } });
  const command = `ulimit -n ${FILES}; exec "$0" "$1" run --config "$2"`;
  const child = new Child(t, 'sh', ['-c', command, process.execPath, BUNDLE, file], cleanEnvironment());
  return { child, ...(await untilReady(child)) };
}

/** Settles when the client has an answer or was refused. */
const answered = (client: OriginConnection) =>
  client.until(({ received, ended }) => ended || received.includes('\r\n\r\n'));

async function openFiles(operatorPort: number): Promise<number> {
  const { body } = await call({ port: operatorPort }, '/metrics');
  return Number(/^carpool_process_open_fds (\d+)/m.exec(body)?.[1]);
}

t.test(
  'rule 25: more clients than the file limit holds are refused with 503, and what was accepted is served',
  async (t) => {
    let hold = true;
    const origin = await rawOrigin(t, (connection) => {
      connection.socket.on('data', () => {
        if (!hold) connection.write(OK);
      });
    });
    const { child, port, operatorPort } = await startWithFewFiles(t);
    const authority = `127.0.0.1:${origin.port}`;
    const request = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const clients = await Promise.all(Array.from({ length: 180 }, () => rawClient(t, port)));
    for (const client of clients) client.write(request);
    const fit = connectionLimits(defaultConfig(), FILES).downstream;
    await Promise.all(
      Array.from({ length: fit }, async (_, index) => (await origin.connection(index)).untilReceived('\r\n\r\n')),
    );
    const refused = clients.slice(fit);
    await Promise.all(refused.map(answered));
    for (const client of refused)
      t.match(
        client.received,
        /^HTTP\/1\.1 503 Service Unavailable\r\n(.*\r\n)*proxy-status: carpool; error=connection_limit_reached;(.*\r\n)*\r\n\{"code":"OVERLOADED".*\}\n$/,
      );
    t.equal(refused.filter(({ received }) => received.includes('connection: close')).length, refused.length);
    t.match(await call({ port: operatorPort }, '/readyz'), { status: 200 }, 'probes go on');
    t.match((await call({ port: operatorPort }, '/metrics')).body, `carpool_downstream_connections ${fit}`);
    t.ok((await openFiles(operatorPort)) < FILES, 'there are files left');
    hold = false;
    for (const connection of origin.connections) connection.write(OK);
    await Promise.all(clients.slice(0, fit).map((client) => client.untilReceived('ok')));
    t.equal(origin.connections.length, fit);
    for (const { socket } of clients) socket.destroy();
    for (const client of clients) await client.until(({ closed }) => closed);
    t.match((await servedClient(t, port, request)).received, '200 OK', 'when they have gone others are served');
    t.equal(child.process.exitCode, null);
    t.equal(child.err.text, '');
  },
);

/** A client that is served: the closes of those before may still be on their way. */
async function servedClient(t: Test, port: number, request: string): Promise<OriginConnection> {
  for (;;) {
    const client = await rawClient(t, port);
    client.write(request);
    await answered(client);
    if (!client.received.startsWith('HTTP/1.1 503')) return client;
  }
}

t.test('rule 25: tunnels and WebSockets count under the file limit as well', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    void connection.untilReceived('\r\n\r\n').then(() => {
      if (connection.received.includes('pgrade'))
        connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    });
  });
  const { child, port, operatorPort } = await startWithFewFiles(t);
  const authority = `127.0.0.1:${origin.port}`;
  const connect = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
  const upgrade = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`;
  for (const first of [connect, upgrade]) {
    const clients: OriginConnection[] = [];
    for (let count = 0; count < 120; count++) {
      const client = await rawClient(t, port);
      client.write(first);
      await answered(client);
      clients.push(client);
    }
    const open = clients.filter(({ received }) => /^HTTP\/1\.1 (101|200) /.test(received)).length;
    const refused = clients.filter(({ received }) => /^HTTP\/1\.1 503 /.test(received)).length;
    t.ok(open > 50, `${open} open`);
    t.equal(open + refused, 120, 'every other one is refused in words');
    t.ok((await openFiles(operatorPort)) < FILES - 20, 'there are files left');
    for (const { socket } of [...clients, ...origin.connections]) socket.destroy();
    await untilNoTunnels(operatorPort);
  }
  t.equal(child.process.exitCode, null);
});

async function untilNoTunnels(operatorPort: number): Promise<void> {
  for (;;) {
    const { body } = await call({ port: operatorPort }, '/metrics');
    if (/^carpool_tunnels 0$/m.test(body)) return;
  }
}

t.test(
  'rule 25: a flood of connections that send nothing does not keep the operator port from answering',
  async (t) => {
    const { child, port, operatorPort } = await startWithFewFiles(t);
    const sockets = Array.from({ length: 600 }, () => net.connect({ port, host: '127.0.0.1' }).on('error', () => {}));
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
    });
    t.match(await call({ port: operatorPort }, '/livez'), { status: 200 });
    t.match(await call({ port: operatorPort }, '/stats'), { status: 200 });
    t.equal(child.process.exitCode, null);
  },
);

t.test('the limits leave a reserve, and never exceed what is configured', (t) => {
  const config = defaultConfig();
  t.strictSame(connectionLimits(config, 1_048_576), { downstream: 10_000, upstream: 10_000 });
  const small = connectionLimits(config, 1024);
  t.ok(small.downstream + small.upstream <= 1024 - 128);
  t.strictSame(connectionLimits(config, 1), { downstream: 1, upstream: 1 }, 'never none at all');
  t.end();
});
