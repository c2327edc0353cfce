import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { portOf } from '../../test/admin/port-of.ts';
import { CertificateAuthority } from '../../test/certificate-authority.ts';
import { ImageArchive, noImage } from './image-archive.ts';
import { Container, type ContainerOptions, noContainers } from './image-container.ts';

const skip = noImage() || noContainers();
const image = skip === false ? new ImageArchive() : null;

/** A sidecar of the image, with the variables that injection gives it, on free ports. */
function sidecar(t: Test, options: ContainerOptions = {}): Container {
  if (image === null) throw new Error('no image');
  return Container.start(t, image, {
    ...options,
    env: {
      CARPOOL_CONFIG_IF_PRESENT: '/etc/carpool/carpool.yaml',
      CARPOOL_LISTENER_PORT: '0',
      CARPOOL_OPERATOR_PORT: '0',
      CARPOOL_DISCOVERY_KUBERNETES_ENABLED: 'false',
      NODE_OPTIONS: '--max-old-space-size-percentage=40',
      ...options.env,
    },
  });
}

async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

/** Two ports that nobody listens on. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()];
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const [first = 0, second = 0] = servers.map(portOf);
  for (const server of servers) await once(server.close(), 'close');
  return [first, second];
}

/** GET through the sidecar, in absolute form as an app's proxy variables make it. */
async function get(port: number, url: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`);
  return await text(socket);
}

const hello: RequestListener = (_request, response) => {
  response.end('hello from the origin');
};

t.test('it serves with a read-only root, as user 65532, without a capability', { skip }, async (t) => {
  const origin = await listening(t, createServer(hello));
  const container = sidecar(t, {
    settings: `
security: { allowAddresses: [127.0.0.0/8] }
destinations: [{ match: "shop.test:80", endpoints: ["127.0.0.1:${origin}"] }]`,
  });
  const { port, operator, readyMs } = await container.ready();
  t.equal((await fetch(`${operator}/readyz`)).status, 200);
  t.match(await get(port, 'http://shop.test/'), /^HTTP\/1\.1 200 OK\r\n.*hello from the origin$/s);
  t.equal(container.status('Uid'), '65532\t65532\t65532\t65532');
  t.equal(container.status('Gid'), '65532\t65532\t65532\t65532');
  for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) t.equal(container.status(set), '0000000000000000', set);
  t.equal(container.status('NoNewPrivs'), '1');
  t.notMatch(container.log, /"level":"(warn|error|fatal)"/, 'nothing that it lacks');
  const { usage, anonymous } = container.memory();
  t.ok(anonymous > 0 && usage < 96 << 20, 'within what a pod requests for it');
  const mebibytes = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);
  t.comment(`ready after ${readyMs} ms; memory ${mebibytes(usage)} MiB, ${mebibytes(anonymous)} MiB of it anonymous`);
  t.equal(await container.stop(), 0, 'SIGTERM ends it gently');
});

t.test('its commands run inside by exec, without a shell', { skip }, async (t) => {
  const origin = await listening(t, createServer(hello));
  // By exec the commands find the sidecar by the same variables: port 0 would tell them nothing.
  const [port, operator] = await freePorts();
  const container = sidecar(t, {
    settings: `
security: { allowAddresses: [127.0.0.0/8] }
destinations: [{ match: "shop.test:80", endpoints: ["127.0.0.1:${origin}"] }]`,
    env: { CARPOOL_LISTENER_PORT: String(port), CARPOOL_OPERATOR_PORT: String(operator) },
  });
  await container.ready();
  await get(port, 'http://shop.test/');
  t.match(container.exec('carpool', 'pools'), { code: 0, stdout: /shop\.test:80/ });
  t.match(container.exec('/usr/local/bin/carpool', 'pause', 'shop.test:80'), { code: 0 }, 'by the control socket');
  t.match(container.exec('carpool', 'wait', '--timeout', '1s'), { code: 0 });
  const doctor = container.exec('carpool', 'doctor');
  t.match(doctor.stdout, /^ok {4}configuration {4}\/etc\/carpool\/carpool\.yaml/m);
  t.match(doctor.stdout, /^ok {4}operator port {4}.* says ready$/m);
  t.equal(doctor.stderr, '');
  t.match(container.exec('carpool', 'no-such-command'), { code: 64 }, 'its exit code is carpool’s own');
  t.match(container.exec('/bin/sleep', '0'), { code: 0 }, 'the hook of legacy mode');
  t.not(container.exec('sh', '-c', 'true').code, 0);
});

t.test(
  'TLS to upstreams: a CA of one’s own is followed, and the public roots of the image do not know it',
  { skip },
  async (t) => {
    const authority = await CertificateAuthority.create('a company of its own');
    const { cert, key } = await authority.issue('origin', { names: ['billing.test'] });
    const origin = await listening(t, createSecureServer({ cert, key }, hello));
    const folder = mkdtempSync(join(tmpdir(), 'carpool-image-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'ca.crt'), authority.cert);
    const destination = (name: string, ca: string): string =>
      `{ match: "${name}:443", endpoints: ["127.0.0.1:${origin}"], tls: { originate: true, serverName: billing.test${ca} } }`;
    const container = sidecar(t, {
      files: { '/etc/carpool/tls/ca.crt': join(folder, 'ca.crt') },
      settings: `
security: { allowAddresses: [127.0.0.0/8] }
destinations:
  - ${destination('own.test', ', ca: /etc/carpool/tls/ca.crt')}
  - ${destination('public.test', ', ca: /etc/ssl/certs/ca-certificates.crt')}
  - ${destination('built-in.test', '')}`,
    });
    const { port } = await container.ready();
    t.match(await get(port, 'https://own.test/'), /^HTTP\/1\.1 200 OK\r\n.*hello from the origin$/s);
    t.match(await get(port, 'https://public.test/'), /^HTTP\/1\.1 502 .*TLS_FAILED/s);
    t.match(await get(port, 'https://built-in.test/'), /^HTTP\/1\.1 502 .*TLS_FAILED/s);
  },
);

t.test('V8 takes the code cache of the image, and another user goes without', { skip }, async (t) => {
  const env = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
  const carpool = sidecar(t, { args: ['--version'], env });
  t.equal(await carpool.ended(), 0);
  t.match(carpool.complaints(), /code cache for ESM file:\/\/\/app\/carpool\.js was accepted/);
  // As OpenShift does: a user id of its own for each namespace, in group 0.
  const other = sidecar(t, { user: { uid: 1_000_650_000, gid: 0 } });
  t.equal((await fetch(`${(await other.ready()).operator}/readyz`)).status, 200);
  t.match(other.exec('carpool', '--version'), { code: 0, stderr: '' });
});

t.test('names are found by /etc/hosts, where Node asks the C library', { skip }, async (t) => {
  const container = sidecar(t);
  await container.ready();
  const script = "require('node:dns').lookup('only-in-hosts.test', (error, address) => console.log(error ?? address))";
  t.match(container.exec('/usr/bin/node', '-e', script), { code: 0, stdout: '127.0.0.1\n' });
});

t.test('the webhook’s program is in it', { skip }, async (t) => {
  const container = sidecar(t);
  await container.ready();
  t.match(container.exec('/usr/bin/node', '/app/webhook.js', '--help'), { code: 0, stdout: /--settings/ });
});
