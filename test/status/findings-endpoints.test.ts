import t, { type Test } from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { eventually } from '../relay/relay-fixture.ts';
import { isWhole } from '../relay/tls-fixture.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { codesOf, findingOf, statusOf } from './findings-fixture.ts';

const ORDERS = 'orders.shop:8080';

/** Two endpoints; the second one answers 503 to everything while `broken.now`. */
async function twoEndpoints(t: Test, settings: Record<string, unknown>) {
  const broken = { now: false };
  const answers = (status: () => string) =>
    rawOrigin(t, ({ socket }) => {
      socket.on('data', () => socket.write(`HTTP/1.1 ${status()}\r\nContent-Length: 0\r\n\r\n`));
    });
  const good = await answers(() => '200 OK');
  const bad = await answers(() => (broken.now ? '503 Service Unavailable' : '200 OK'));
  const flapper = `127.0.0.1:${bad.port}`;
  const sidecar = await startSidecar(t, {
    destinations: [{ match: ORDERS, endpoints: [`127.0.0.1:${good.port}`, flapper], ...settings }],
  });
  return { sidecar, flapper, broken };
}

async function get(t: Test, sidecar: Sidecar, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const client = await rawClient(t, sidecar.port);
    client.write(`GET http://${ORDERS}/ HTTP/1.1\r\nHost: ${ORDERS}\r\nConnection: close\r\n\r\n`);
    await client.until(({ received }) => isWhole(received));
  }
}

const stateOf = (sidecar: Sidecar, id: string): string =>
  sidecar.app
    .destinations()
    .find(({ name }) => name === ORDERS)
    ?.endpoints.find((endpoint) => endpoint.id === id)?.state ?? '';

t.test('an endpoint that is ejected again and again is flapping, and its probe is what to look at', async (t) => {
  const { sidecar, flapper, broken } = await twoEndpoints(t, {
    breaker: { failures: 2, recovery: '5s' },
    balancer: 'round_robin',
  });
  for (let time = 1; time <= 3; time++) {
    broken.now = true;
    await get(t, sidecar, 6);
    t.equal(stateOf(sidecar, flapper), 'ejected');
    if (time < 3) t.notOk((await codesOf(sidecar)).includes('endpoint_flapping'), `${time} times may be a rollout`);
    broken.now = false;
    for (let second = 0; second < 60 && stateOf(sidecar, flapper) !== 'ready'; second++) {
      sidecar.clock.advance(1000);
      await get(t, sidecar, 2);
    }
    t.equal(stateOf(sidecar, flapper), 'ready');
  }
  const finding = await findingOf(sidecar, 'endpoint_flapping');
  t.equal(finding.destination, ORDERS);
  t.match(finding.title, `Endpoint ${flapper} is flapping: it went and came back 3 times in 10 minutes`);
  t.match(finding.detail, 'It was taken out each time after failures. ');
  t.match(finding.remedies.join(' '), 'readiness probe');
  t.equal(finding.lines[0], `carpool events ${ORDERS}`);
  t.ok(finding.lines.includes('kubectl -n shop get pods -o wide --field-selector status.podIP=127.0.0.1'));
  const response = await fetch(`http://127.0.0.1:${sidecar.operatorPort}/status?destination=${ORDERS}`);
  const { detail } = JSON.parse(await response.text());
  t.match(
    detail.endpoints.map(({ id, changes }: { id: string; changes: number }) => ({ id, changes })),
    [
      { id: /./, changes: 0 },
      { id: flapper, changes: 6 },
    ],
  );
});

t.test('an endpoint that fails its health checks by turns has the checks’ own settings as a way out', async (t) => {
  const { sidecar, flapper, broken } = await twoEndpoints(t, {
    healthCheck: { enabled: true, kind: 'http', interval: '1s', timeout: '500ms', threshold: 1 },
  });
  await get(t, sidecar, 2);
  const becomes = async (state: string): Promise<void> => {
    for (let turn = 0; turn < 2000 && stateOf(sidecar, flapper) !== state; turn++) {
      if (turn % 50 === 0) sidecar.clock.advance(250);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    t.equal(stateOf(sidecar, flapper), state);
  };
  for (let time = 1; time <= 3; time++) {
    broken.now = true;
    await becomes('failing');
    broken.now = false;
    await becomes('ready');
  }
  const finding = await findingOf(sidecar, 'endpoint_flapping');
  t.match(finding.detail, /It failed its health checks each time.*503/);
  t.match(finding.remedies[1], 'healthCheck.timeout (500 ms)');
  t.match(finding.lines.at(-1), 'healthCheck: { timeout: 1000ms, threshold: 3 }');
});

t.test('an endpoint that is out is told once, and all of them as an error', async (t) => {
  const { sidecar, flapper, broken } = await twoEndpoints(t, {
    breaker: { failures: 2, recovery: '5s' },
    balancer: 'round_robin',
  });
  broken.now = true;
  await get(t, sidecar, 6);
  await eventually(() => stateOf(sidecar, flapper) === 'ejected');
  const finding = await findingOf(sidecar, 'endpoints_unfit');
  t.match(finding.title, `1 of 2 endpoints is unfit: ${flapper}`);
  t.equal(finding.severity, 'warning');
  const { destinations } = await statusOf(sidecar);
  t.match(destinations, [{ endpointsUnfit: 1, endpointsReady: 1 }]);
});
