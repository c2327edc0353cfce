import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { CertificateAuthority } from '../certificate-authority.ts';
import { rawClient } from '../raw-origin.ts';
import { checkError, eventually, ownAnswer } from './relay-fixture.ts';
import {
  API,
  answering,
  authority,
  isWhole,
  startTlsRelay,
  type TlsOrigin,
  type TlsRelay,
  tlsOrigin,
} from './tls-fixture.ts';

const clients = await CertificateAuthority.create('clients CA');
const alice = await clients.issue('alice');
const bob = await clients.issue('bob');

const WANTS_CLIENT: TlsOptions = { ca: clients.cert, requestCert: true, rejectUnauthorized: true };
const ALICE = { cert: '$D/cert.pem', key: '$D/key.pem' };
const ALICE_FILES = { 'cert.pem': alice.cert, 'key.pem': alice.key };

/** Who a connection of the origin was opened by. */
const whose = (origin: TlsOrigin, index: number): string =>
  String(origin.connections[index]?.socket.getPeerCertificate().subject?.CN ?? '');

/** An answer that ends its connection, so that the next request opens another. */
const closing = (t: Test, options: TlsOptions = {}): Promise<TlsOrigin> =>
  tlsOrigin(t, options, (connection) => {
    connection.socket.on('data', () => {
      connection.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    });
  });

/** Reads the configuration anew with other TLS settings of its one destination. */
async function reconfigure(relay: TlsRelay, change: Record<string, unknown>): Promise<void> {
  const settings = parse(readFileSync(relay.configFile, 'utf8'));
  Object.assign(settings.destinations[0].tls, change);
  writeFileSync(relay.configFile, stringify(settings));
  const { applied, lines } = await relay.app.steering.reload();
  if (!applied) throw new Error(lines.join('\n'));
}

t.test('the client certificate is shown to a server that asks for one', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.test(maxVersion, async (t) => {
      const origin = await answering(t, { ...WANTS_CLIENT, maxVersion });
      const relay = await startTlsRelay(t, origin.port, ALICE, { files: ALICE_FILES });
      t.match(await relay.fetch(`https://${API}/`), /200 OK/);
      t.equal(whose(origin, 0), 'alice');
    });
  }
});

t.test('a server that wants a client certificate is told as that, whenever it says so', async (t) => {
  // Of TLS 1.3 the client has finished by then: the alert comes in place of the response.
  const cases = [
    { maxVersion: 'TLSv1.2', told: /alert handshake failure \(alert 40\)/ },
    { maxVersion: 'TLSv1.3', told: /alert certificate required \(alert 116\)/ },
  ] as const;
  for (const { maxVersion, told } of cases) {
    await t.test(maxVersion, async (t) => {
      const origin = await answering(t, { ...WANTS_CLIENT, maxVersion });
      const relay = await startTlsRelay(t, origin.port);
      const answer = await relay.fetch(`https://${API}/`);
      const { message, hint } = checkError(t, answer, { status: 502, code: 'TLS_FAILED', error: 'tls_alert_received' });
      t.match(message, told);
      t.match(hint, 'tls.cert');
      t.equal(origin.connections.length, 0);
    });
  }
});

t.test('a new connection resumes the session of an earlier one', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.test(maxVersion, async (t) => {
      const origin = await closing(t, { maxVersion });
      const relay = await startTlsRelay(t, origin.port);
      for (let index = 0; index < 4; index++) {
        t.match(await relay.fetch(`https://${API}/`), /ok$/);
        await (await origin.connection(index)).until(({ ended }) => ended);
      }
      t.same(
        origin.connections.map(({ socket }) => socket.isSessionReused()),
        [false, true, true, true],
      );
    });
  }
});

t.test('a session is for its own destination and server name alone', async (t) => {
  const origin = await closing(t);
  const relay = await startTlsRelay(t, origin.port);
  await relay.fetch(`https://${API}/`);
  await (await origin.connection(0)).until(({ ended }) => ended);
  await relay.fetch(`https://${API}:8443/`);
  t.equal(origin.connections[1]?.socket.isSessionReused(), false, 'another port is another destination');
  await reconfigure(relay, { serverName: API });
  await relay.fetch(`https://${API}/`);
  t.equal(origin.connections[2]?.socket.isSessionReused(), false, 'another identity');
});

t.test(
  'a certificate that is replaced is used by new connections without a restart, and resumes nothing',
  async (t) => {
    const origin = await closing(t, WANTS_CLIENT);
    const relay = await startTlsRelay(t, origin.port, ALICE, { files: ALICE_FILES });
    const next = async (): Promise<[string, boolean | undefined]> => {
      const index = origin.connections.length;
      t.match(await relay.fetch(`https://${API}/`), /ok$/);
      await (await origin.connection(index)).until(({ ended }) => ended);
      return [whose(origin, index), origin.connections[index]?.socket.isSessionReused()];
    };
    t.same(await next(), ['alice', false]);
    t.same(await next(), ['alice', true]);
    writeFileSync(join(relay.directory, 'cert.pem'), bob.cert);
    writeFileSync(join(relay.directory, 'key.pem'), bob.key);
    t.same(await next(), ['alice', true], 'files are looked at once a second at most');
    relay.clock.advance(1000);
    t.same(await next(), ['bob', false]);
    t.same(await next(), ['bob', true]);
    t.match(readFileSync(relay.logFile, 'utf8'), /"event":"tls_files_changed"/);
  },
);

t.test('a mounted Secret is swapped by its links, and seen', async (t) => {
  const origin = await closing(t, WANTS_CLIENT);
  const files = { v1: ALICE_FILES, v2: { 'cert.pem': bob.cert, 'key.pem': bob.key } };
  const directory = t.testdir({ 'ca.pem': authority.cert });
  for (const [version, contents] of Object.entries(files)) {
    mkdirSync(join(directory, version));
    for (const [name, content] of Object.entries(contents)) writeFileSync(join(directory, version, name), content);
  }
  symlinkSync('v1', join(directory, '..data'));
  for (const name of Object.keys(ALICE_FILES)) symlinkSync(`..data/${name}`, join(directory, name));
  const { startSidecar } = await import('../sidecar.ts');
  const tls = { ca: `${directory}/ca.pem`, cert: `${directory}/cert.pem`, key: `${directory}/key.pem` };
  const entry = { match: API, endpoints: [`127.0.0.1:${origin.port}`], protocol: 'http1', tls };
  const sidecar = await startSidecar(t, { destinations: [entry] });
  const ask = async (): Promise<void> => {
    const client = await rawClient(t, sidecar.port);
    client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
    await client.until(({ received }) => isWhole(received));
    await origin.connections.at(-1)?.until(({ ended }) => ended);
  };
  await ask();
  symlinkSync('v2', join(directory, '..tmp'));
  renameSync(join(directory, '..tmp'), join(directory, '..data'));
  sidecar.clock.advance(1000);
  await ask();
  t.same([whose(origin, 0), whose(origin, 1)], ['alice', 'bob']);
});

t.test(
  'files that are of no use change nothing, and are told of once; they are taken when they are whole',
  async (t) => {
    const origin = await closing(t, WANTS_CLIENT);
    const relay = await startTlsRelay(t, origin.port, ALICE, { files: ALICE_FILES });
    const next = async (): Promise<string> => {
      const index = origin.connections.length;
      relay.clock.advance(1000);
      t.match(await relay.fetch(`https://${API}/`), /ok$/);
      await (await origin.connection(index)).until(({ ended }) => ended);
      return whose(origin, index);
    };
    t.equal(await next(), 'alice');
    writeFileSync(join(relay.directory, 'cert.pem'), bob.cert);
    t.equal(await next(), 'alice', 'the key does not match yet');
    t.equal(await next(), 'alice');
    rmSync(join(relay.directory, 'key.pem'));
    t.equal(await next(), 'alice', 'the key is gone');
    writeFileSync(join(relay.directory, 'key.pem'), bob.key);
    t.equal(await next(), 'bob');
    const lines = readFileSync(relay.logFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes('tls_files_refused'))
      .map((line) => JSON.parse(line));
    t.match(lines, [
      { level: 'warn', message: /^tls\.key: .*key\.pem cannot be used: .*mismatch; what was read before serves on$/ },
      { message: /^tls\.key: .*key\.pem cannot be read: ENOENT; what was read before serves on$/ },
    ]);
    t.equal(lines.length, 2);
  },
);

t.test('files that are gone before the first connection fail requests, until they are there', async (t) => {
  const origin = await answering(t, WANTS_CLIENT);
  const endpoints = [`127.0.0.1:${origin.port}`, `127.0.0.2:${origin.port}`];
  const relay = await startTlsRelay(t, 0, ALICE, { files: ALICE_FILES, entry: { endpoints } });
  rmSync(join(relay.directory, 'cert.pem'));
  for (let index = 0; index < 2; index++) {
    const answer = await relay.fetch(`https://${API}/`);
    const { message } = checkError(t, answer, {
      status: 502,
      code: 'TLS_FAILED',
      error: 'proxy_configuration_error',
    });
    t.match(message, /tls\.cert: .*cert\.pem cannot be read: ENOENT$/);
  }
  t.equal(origin.accepted, 0);
  t.same(
    relay.app.destinations().flatMap((each) => each.endpoints.map(({ state }) => state)),
    ['ready', 'ready'],
    'no endpoint is blamed',
  );
  writeFileSync(join(relay.directory, 'cert.pem'), alice.cert);
  relay.clock.advance(1000);
  t.match(await relay.fetch(`https://${API}/`), /200 OK/);
});

t.test('a reload with another identity retires the connections of the old one, and shares none', async (t) => {
  const origin = await answering(t, WANTS_CLIENT);
  const files = { ...ALICE_FILES, 'bob.pem': bob.cert, 'bob.key': bob.key };
  const relay = await startTlsRelay(t, origin.port, ALICE, { files });
  t.match(await relay.fetch(`https://${API}/`), /connection 0$/);
  t.match(await relay.fetch(`https://${API}/`), /connection 0$/, 'pooled');
  const bobs = { cert: `${relay.directory}/bob.pem`, key: `${relay.directory}/bob.key` };
  await reconfigure(relay, bobs);
  await origin.connections[0]?.until(({ ended }) => ended);
  t.match(await relay.fetch(`https://${API}/`), /connection 1$/);
  t.equal(whose(origin, 1), 'bob');
  const metrics = await (await fetch(`http://127.0.0.1:${relay.operatorPort}/metrics`)).text();
  t.match(metrics, /pool_connections_closed_total\{[^}]*reason="admin"[^}]*\} 1/);
  t.test('and the same identity again keeps them', async (t) => {
    await reconfigure(relay, bobs);
    t.match(await relay.fetch(`https://${API}/`), /connection 1$/);
  });
});

t.test('a handshake that is under way when the identity changes serves nobody but who waited for it', async (t) => {
  const origin = await answering(t, WANTS_CLIENT);
  const files = { ...ALICE_FILES, 'bob.pem': bob.cert, 'bob.key': bob.key };
  const relay = await startTlsRelay(t, origin.port, ALICE, { files });
  const early = await relay.client();
  early.write(`GET https://${API}/early HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  await eventually(() => relay.app.destinations().some(({ connecting }) => connecting > 0));
  await reconfigure(relay, { cert: `${relay.directory}/bob.pem`, key: `${relay.directory}/bob.key` });
  const late = await relay.fetch(`https://${API}/late`);
  await early.until(({ received }) => isWhole(received));
  const served = origin.connections.map((connection, index) => [
    whose(origin, index),
    /\/(early|late)/.exec(connection.received)?.[1],
  ]);
  t.same(served.sort(), [
    ['alice', 'early'],
    ['bob', 'late'],
  ]);
  t.match(late, /200 OK/);
});

t.test('two destinations at the same address with other identities share no connection', async (t) => {
  const origin = await answering(t, WANTS_CLIENT);
  const files = { ...ALICE_FILES, 'bob.pem': bob.cert, 'bob.key': bob.key };
  const endpoints = [`127.0.0.1:${origin.port}`];
  const directory = t.testdir({ ...files, 'ca.pem': authority.cert });
  const { startSidecar } = await import('../sidecar.ts');
  const tls = (cert: string, key: string) => ({
    ca: `${directory}/ca.pem`,
    cert: `${directory}/${cert}`,
    key: `${directory}/${key}`,
    serverName: API,
  });
  const sidecar = await startSidecar(t, {
    destinations: [
      { match: 'a.test', endpoints, protocol: 'http1', tls: tls('cert.pem', 'key.pem') },
      { match: 'b.test', endpoints, protocol: 'http1', tls: tls('bob.pem', 'bob.key') },
    ],
  });
  const client = await rawClient(t, sidecar.port);
  for (const [index, host] of ['a.test', 'b.test', 'a.test', 'b.test'].entries()) {
    client.write(`GET https://${host}/${index} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await client.until(({ received }) => received.split('connection').length === index + 2);
  }
  t.same([whose(origin, 0), whose(origin, 1)], ['alice', 'bob']);
  t.equal(origin.connections.length, 2);
  t.match(origin.connections[0]?.received, /\/0[\s\S]*\/2/);
  t.match(origin.connections[1]?.received, /\/1[\s\S]*\/3/);
  t.notMatch(origin.connections[0]?.received, /\/[13] /);
});

t.test('tls.originate that is switched on by a reload is in force for the next request', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port, {}, { entry: { localPort: 0, match: `${API}:443` } });
  const client = await rawClient(t, relay.localPorts[0]?.port ?? 0);
  client.write('GET /plain HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.until(({ received }) => isWhole(received));
  t.equal(ownAnswer(client.received).status, 502, 'the origin does not speak clear text');
  await reconfigure(relay, { originate: true });
  const again = await rawClient(t, relay.localPorts[0]?.port ?? 0);
  again.write('GET /secure HTTP/1.1\r\nHost: x\r\n\r\n');
  await again.until(({ received }) => isWhole(received));
  t.match(again.received, /200 OK/);
});
