import t from 'tap';
import { answeringOrigin, ok, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, refusingPort, TestRequest, testPool } from './pool-fixture.ts';

t.test('with a key all requests go to one endpoint, with none they spread', async (t) => {
  const origins = [await answeringOrigin(t), await answeringOrigin(t), await answeringOrigin(t)];
  const pool = testPool(t, poolContext());
  pool.setAffinity('10.1.2.3');
  for (const { port } of origins) pool.add(endpointAt(port));
  const portsOf = async (): Promise<Set<number | undefined>> => {
    const ports = new Set<number | undefined>();
    for (let index = 0; index < 6; index++) {
      const request = new TestRequest('/');
      pool.acquire(request);
      await until(() => request.ended === 1);
      ports.add(request.endpoint?.spec.port);
    }
    return ports;
  };
  const chosen = await portsOf();
  t.equal(chosen.size, 1);
  const [port] = chosen;
  if (port === undefined) throw new Error('none');
  for (const origin of origins) if (origin.port !== port) pool.setState(endpointAt(origin.port).id, 'unready');
  t.same(await portsOf(), chosen);
  for (const origin of origins) pool.add(endpointAt(origin.port));
  const late = await answeringOrigin(t);
  pool.add(endpointAt(late.port));
  for (let index = 0; index < 20; index++) pool.add({ ...endpointAt(late.port), id: `more${index}` });
  t.same(await portsOf(), chosen, 'endpoints that come change nothing');
  for (let index = 0; index < 20; index++) pool.setState(`more${index}`, 'removed');
  pool.setState(endpointAt(port).id, 'unready');
  const second = await portsOf();
  t.equal(second.size, 1);
  t.notOk(second.has(port), 'it changes when that endpoint leaves rotation');
  pool.add(endpointAt(port));
  t.same(await portsOf(), second, 'and not back');
  pool.setAffinity(null);
  t.equal((await portsOf()).size, 4);
});

t.test('which endpoint it is depends on key and endpoints alone, and keys spread over the endpoints', async (t) => {
  const counts = new Map<string, number>();
  for (let key = 0; key < 300; key++) {
    const picks = [0, 1].map((round) => {
      const pool = testPool(t, poolContext());
      const ids = ['a', 'b', 'c'];
      for (const id of round === 0 ? ids : ids.reverse()) pool.add({ id, address: '127.0.0.1', port: 1 });
      pool.setAffinity(`10.0.0.${key}`);
      return pool.pick([], 0)?.spec.id ?? '';
    });
    t.equal(picks[0], picks[1]);
    counts.set(picks[0] ?? '', (counts.get(picks[0] ?? '') ?? 0) + 1);
  }
  for (const id of ['a', 'b', 'c']) t.ok((counts.get(id) ?? 0) > 70, `${id}: ${counts.get(id)} of 300`);
});

t.test('a request that its endpoint fails goes elsewhere', async (t) => {
  const good = await answeringOrigin(t);
  const dead = await refusingPort();
  const context = poolContext();
  const pool = testPool(t, context);
  const ends = [endpointAt(good.port), endpointAt(dead)];
  for (const end of ends) pool.add(end);
  // A key that picks the endpoint where nobody listens.
  for (let key = 0; key === 0 || pool.pick([], 0)?.spec.port !== dead; key++) pool.setAffinity(`k${key}`);
  const request = new TestRequest('/');
  pool.acquire(request);
  await until(() => request.ended === 1);
  t.equal(request.endpoint?.spec.port, good.port);
  t.equal(pool.pick([], 0)?.spec.port, good.port, 'one that is ejected is out of rotation');
  pool.add({ ...endpointAt(dead), id: 'other' });
  const [chosen, other] = [pool.pick([], 0), pool.pick(pool.endpoints.slice(0, 1), 0)];
  t.equal(chosen?.spec.port, good.port);
  t.equal(other?.spec.id, 'other');
  t.equal(pool.pick([], 0), chosen, 'a retry moves nobody else');
});

t.test('a connection that comes free elsewhere is not for a request that waits for its own endpoint', async (t) => {
  const [one, two] = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
  const pool = testPool(t, poolContext(), policyWith({ pool: { maxConnections: 2 } }));
  for (const { port } of [one, two]) pool.add(endpointAt(port));
  const before = [new TestRequest('/1'), new TestRequest('/2')];
  for (const request of before) pool.acquire(request);
  await until(() => one.requests.length + two.requests.length === 2);
  pool.setAffinity('key');
  const chosen = pool.pick([], 0)?.spec.port;
  const other = [one, two].find(({ port }) => port !== chosen);
  const own = [one, two].find(({ port }) => port === chosen);
  const waiting = new TestRequest('/waiting');
  pool.acquire(waiting);
  other?.requests[0]?.connection.write(ok('x'));
  await until(() => own?.requests.length === 2);
  t.equal(waiting.endpoint?.spec.port, chosen);
  t.equal(other?.requests.length, 1);
});
