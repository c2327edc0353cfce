import t, { type Test } from 'tap';
import { findingsOf } from '../../src/status/findings/findings.ts';
import type { Flapping } from '../../src/status/flap-watch.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { eventually } from '../relay/relay-fixture.ts';
import { isWhole } from '../relay/tls-fixture.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { codesOf, findingOf, statusOf } from './findings-fixture.ts';
import { destinationSight, sight } from './made-sight.ts';

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
  t.notMatch(finding.lines.join(' '), 'kubectl', 'these endpoints are written in the configuration, and are no pods');
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
  t.match(finding.remedies[1], 'healthCheck.threshold (1)');
  t.notMatch(finding.remedies[1], 'timeout', 'it answered at once');
  t.match(finding.lines.at(-1), 'healthCheck: { threshold: 3 }');
});

t.test('a longer time-out is advised where checks timed out, and never above the interval', (t) => {
  const advice = (why: string, timeoutMs: number): readonly [string, string] => {
    const { policy } = destinationSight();
    const healthCheck = { ...policy.healthCheck, intervalMs: 1000, timeoutMs, threshold: 3 };
    const destination = destinationSight({ name: ORDERS }, { policy: { ...policy, healthCheck } });
    const flapping: Flapping = { destination: ORDERS, endpoint: '10.0.0.1:80', times: 3, by: 'failing', why };
    const [finding] = findingsOf(sight({ destinations: [destination], flapping: [flapping] }));
    return [finding?.remedies[1] ?? '', finding?.lines.at(-1)?.trim().split('\n').at(-1)?.trim() ?? ''];
  };
  const late = 'timed out after 500 ms, waiting for the answer';
  t.match(advice(late, 300)[0], /raise healthCheck\.timeout \(300 ms\), up to healthCheck\.interval \(1000 ms\)/);
  t.equal(advice(late, 300)[1], 'healthCheck: { timeout: 600ms, threshold: 5 }');
  t.equal(advice(late, 700)[1], 'healthCheck: { timeout: 1000ms, threshold: 5 }');
  for (const timeoutMs of [1000, 5000]) {
    t.notMatch(advice(late, timeoutMs)[0], 'timeout');
    t.equal(advice(late, timeoutMs)[1], 'healthCheck: { threshold: 5 }');
  }
  t.equal(advice('status 503', 300)[1], 'healthCheck: { threshold: 5 }');
  t.end();
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
