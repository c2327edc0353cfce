import t, { type Test } from 'tap';
import { bodyOf, type RawApp, rawApp } from '../http2/raw-app.ts';
import type { Fields } from '../http2/scripted-server.ts';
import { type AnsweringOrigin, answeringOrigin, ok, TARGET, toOrigins, until } from '../pool/origins.ts';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { reload, type Sidecar, startSidecar } from '../sidecar.ts';

/** Origins that answer with their own number. */
const numbered = (t: Test, count: number): Promise<AnsweringOrigin[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => answeringOrigin(t, () => ok(`origin ${index}`))));

const stickyBy = (by: string, name?: string): Record<string, unknown> => ({
  balancer: 'sticky',
  sticky: { by, ...(name === undefined ? {} : { name }) },
});

type App = { readonly connection: OriginConnection; answers: number };

async function app(t: Test, sidecar: Sidecar): Promise<App> {
  return { connection: await rawClient(t, sidecar.port), answers: 0 };
}

/** Who answered a request with these field lines; the body, or the status of an error. */
async function ask(from: App, fields = ''): Promise<string> {
  from.connection.write(`GET http://${TARGET}/x HTTP/1.1\r\nHost: ${TARGET}\r\n${fields}\r\n`);
  from.answers++;
  const bodies = (): string[] => from.connection.received.match(/origin \d|HTTP\/1\.1 [45]\d\d/g) ?? [];
  await from.connection.until(() => bodies().length >= from.answers);
  return bodies()[from.answers - 1] ?? '';
}

/** So many that none of four endpoints stays without one, whatever their ports: 4 × ¾⁹⁶. */
const TENANTS = Array.from({ length: 96 }, (_, index) => `tenant-${index}`);

async function homes(from: App, line: (tenant: string) => string): Promise<string[]> {
  const found: string[] = [];
  for (const tenant of TENANTS) found.push(await ask(from, line(tenant)));
  return found;
}

t.test('a header sends a request to the same endpoint, from every sidecar, by HTTP/1.1 and HTTP/2', async (t) => {
  const origins = await numbered(t, 4);
  const one = await startSidecar(t, { destinations: [toOrigins(origins, stickyBy('header', 'X-Tenant'))] });
  const two = await startSidecar(t, {
    destinations: [toOrigins([...origins].reverse(), stickyBy('header', 'x-tenant'))],
    discovery: { kubernetes: { podAddress: '10.0.0.99' } },
  });
  const first = await homes(await app(t, one), (tenant) => `X-Tenant: ${tenant}\r\n`);
  t.equal(new Set(first).size, 4, 'all endpoints are in use');
  t.same(await homes(await app(t, one), (tenant) => `x-tenant:${tenant}\r\n`), first, 'from another connection');
  t.same(await homes(await app(t, two), (tenant) => `X-TENANT: ${tenant}\r\n`), first, 'from another sidecar');
  const raw = await rawApp(t, two.port, TARGET);
  t.same(await homesByHttp2(raw, (tenant) => [['x-tenant', tenant]]), first, 'and from an app that speaks HTTP/2');
});

/** One after the other: at once they would be more than some endpoint's share. */
async function homesByHttp2(raw: RawApp, fields: (tenant: string) => Fields): Promise<string[]> {
  const found: string[] = [];
  for (const tenant of TENANTS) found.push(bodyOf(await raw.answer(raw.get('/x', fields(tenant)))));
  return found;
}

t.test('a cookie does so too, whichever field and frame it comes in', async (t) => {
  const origins = await numbered(t, 4);
  const sidecar = await startSidecar(t, { destinations: [toOrigins(origins, stickyBy('cookie', 'session'))] });
  const first = await homes(await app(t, sidecar), (tenant) => `Cookie: session=${tenant}\r\n`);
  t.equal(new Set(first).size, 4);
  t.same(await homes(await app(t, sidecar), (tenant) => `Cookie: a=${tenant}x; session="${tenant}"; b=1\r\n`), first);
  const raw = await rawApp(t, sidecar.port, TARGET);
  const crumbs = (tenant: string): Fields => [
    ['cookie', 'a=1'],
    ['cookie', `session=${tenant}`],
  ];
  t.same(await homesByHttp2(raw, crumbs), first, 'crumbs of HTTP/2');
});

t.test(
  'by the address of the pod all its requests and tunnels go to one endpoint; other pods go elsewhere',
  async (t) => {
    const origins = await numbered(t, 4);
    const used = new Set<string>();
    for (const podAddress of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']) {
      const sidecar = await startSidecar(t, {
        destinations: [toOrigins(origins, stickyBy('address'))],
        discovery: { kubernetes: { podAddress } },
        security: { allowAddresses: ['127.0.0.0/8'], connectPorts: ['1-65535'] },
        connect: { tlsPorts: ['8080'] },
      });
      const from = await app(t, sidecar);
      const home = await ask(from);
      t.same(
        await homes(from, (tenant) => `X-Tenant: ${tenant}\r\n`),
        TENANTS.map(() => home),
      );
      const tunnel = await rawClient(t, sidecar.port);
      tunnel.write(`CONNECT ${TARGET} HTTP/1.1\r\nHost: ${TARGET}\r\n\r\n`);
      await tunnel.untilReceived('\r\n\r\n');
      tunnel.write('GET /inside HTTP/1.1\r\nHost: x\r\n\r\n');
      await tunnel.untilReceived('origin ');
      t.match(tunnel.received, home, 'the tunnel too');
      used.add(home);
    }
    t.ok(used.size > 1, [...used].join());
  },
);

t.test('a request that lacks its header goes by the address of the pod', async (t) => {
  const origins = await numbered(t, 4);
  const settings = { discovery: { kubernetes: { podAddress: '10.0.0.7' } } };
  const byHeader = await startSidecar(t, {
    destinations: [toOrigins(origins, stickyBy('header', 'x-tenant'))],
    ...settings,
  });
  const byAddress = await startSidecar(t, { destinations: [toOrigins(origins, stickyBy('address'))], ...settings });
  t.equal(await ask(await app(t, byHeader)), await ask(await app(t, byAddress)));
});

t.test(
  'where its endpoint resets a request the retry goes to the next on the ring, and the next request home',
  async (t) => {
    let failing = -1;
    const origins: AnsweringOrigin[] = [];
    for (let index = 0; index < 4; index++) {
      const origin = await answeringOrigin(t, ({ connection }) => {
        if (failing !== index) return ok(`origin ${index}`);
        connection.socket.resetAndDestroy();
        return null;
      });
      origins.push(origin);
    }
    const sidecar = await startSidecar(t, { destinations: [toOrigins(origins, stickyBy('header', 'x-tenant'))] });
    const from = await app(t, sidecar);
    const line = 'X-Tenant: acme\r\n';
    const home = await ask(from, line);
    failing = Number(home.slice(-1));
    const other = await ask(from, line);
    t.match(other, /^origin/);
    t.not(other, home);
    t.equal(await ask(from, line), other, 'each goes to the same other one');
    failing = -1;
    t.equal(await ask(from, line), home);
  },
);

t.test('an endpoint more or less moves its own keys alone, and a reload of the setting applies at once', async (t) => {
  const origins = await numbered(t, 5);
  const destination = (count: number, policy = stickyBy('header', 'x-tenant')) => ({
    destinations: [toOrigins(origins.slice(0, count), policy)],
  });
  const sidecar = await startSidecar(t, destination(4));
  const from = await app(t, sidecar);
  const line = (tenant: string): string => `X-Tenant: ${tenant}\r\n`;
  const before = await homes(from, line);
  await reload(sidecar, destination(5));
  const after = await homes(from, line);
  t.ok(after.includes('origin 4'), 'the new one has keys');
  t.same(
    after.filter((home) => home !== 'origin 4'),
    before.filter((_, index) => after[index] !== 'origin 4'),
  );
  await reload(sidecar, destination(4));
  t.same(await homes(from, line), before);
  await reload(sidecar, destination(4, stickyBy('cookie', 'session')));
  t.same(await homes(from, (tenant) => `Cookie: session=${tenant}\r\n`), before, 'the value is what counts');
  t.equal(new Set(await homes(from, line)).size, 1, 'the header says nothing any more');
});

t.test('a hundred requests of one header at once are more than one endpoint has to bear', async (t) => {
  const held: { readonly write: (text: string) => void; readonly index: number }[] = [];
  const origins: AnsweringOrigin[] = [];
  for (let index = 0; index < 4; index++) {
    const origin = await answeringOrigin(t, ({ connection }) => {
      held.push({ write: (text) => connection.write(text), index });
      return null;
    });
    origins.push(origin);
  }
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins(origins, { ...stickyBy('header', 'x-tenant'), protocol: 'http1' })],
  });
  const raw = await rawApp(t, sidecar.port, TARGET);
  const streams = Array.from({ length: 100 }, () => raw.get('/x', [['x-tenant', 'hot']]));
  await until(() => held.length === 100);
  const counts = [0, 1, 2, 3].map((index) => held.filter((each) => each.index === index).length);
  t.same(
    counts.sort((a, b) => b - a),
    [32, 31, 31, 6],
    '1.25 × 100 ÷ 4 rounded up, for as many as it takes',
  );
  for (const { write, index } of held) write(ok(`origin ${index}`));
  for (const stream of streams) t.equal((await raw.answer(stream)).status, 200);
});
