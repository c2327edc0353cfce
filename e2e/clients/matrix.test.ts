import t, { type Test } from 'tap';
import { noNode } from '../node/site.ts';
import type { Metrics } from '../sidecar/metrics.ts';
import type { ClientRun } from './client-run.ts';
import { GRPC_CLIENTS, type GrpcClient, HTTP_CLIENTS, type HttpClient, PODS } from './matrix.ts';
import { LOCAL_PORT, OUTSIDE, Scene } from './scene.ts';

const ORIGIN = 'origin:8080';
const GRPC = 'origin:9000';
const BODY = 100_000;
/** Ten GETs, the missing page, the POST, the stream and what releases it. */
const HTTP_REQUESTS = 14;
const HTTPS_REQUESTS = 3;

function httpPlan(client: string): readonly string[] {
  const id = `${client}-${process.pid}`;
  return [
    ...['get', `http://${ORIGIN}/`, '10'],
    ...['get', `http://${ORIGIN}/missing`, '1'],
    ...['post', `http://${ORIGIN}/`, String(BODY)],
    ...['stream', `http://${ORIGIN}/stream/${id}`, '1'],
    ...['get', `http://127.0.0.1:${LOCAL_PORT}/`, '1'],
    ...['get', 'http://kubernetes.default.svc:443/', '1'],
    ...['get', `https://${OUTSIDE}:8443/`, String(HTTPS_REQUESTS)],
  ];
}

const got = (op: string, status: number, text: string) => ({ op, status, text });
const hello = got('get', 200, 'hello\n');

const HTTP_ANSWERS = [
  ...Array.from({ length: 10 }, () => hello),
  got('get', 404, 'nothing here\n'),
  got('post', 200, `${BODY} bytes\n`),
  // The second half comes only when the first has been read.
  got('stream', 200, 'first half, second half\n'),
  // Nobody else serves there; carpool refuses loopback addresses.
  got('get', 200, 'local\n'),
  got('get', 400, 'Client sent an HTTP request to an HTTPS server.\n'),
  ...Array.from({ length: HTTPS_REQUESTS }, () => hello),
];

/** What was counted between two moments. */
class Counted {
  readonly #before: Metrics;
  readonly #after: Metrics;

  constructor(before: Metrics, after: Metrics) {
    this.#before = before;
    this.#after = after;
  }

  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#after.sum(name, labels) - this.#before.sum(name, labels);
  }
}

async function observe(scene: Scene, pod: string, client: string, plan: readonly string[]) {
  const before = await scene.counters(pod);
  const run = await scene.run(pod, client, plan);
  return { run, counted: new Counted(before, await scene.counters(pod)) };
}

/** What the client sent to the proxy's port is what docs/clients.md says. */
function inTheRightForm(t: Test, { http, https }: HttpClient, { sent }: ClientRun, id: string): void {
  const tunnels = sent.filter((word) => word === `CONNECT ${OUTSIDE}:8443`).length;
  t.equal(sent.filter((word) => word === 'TLS').length, tunnels, 'TLS begins in each tunnel and nowhere else');
  if (https === 'tunnel') t.ok(tunnels > 0 && tunnels <= HTTPS_REQUESTS, `HTTPS by ${tunnels} tunnels`);
  else t.equal(tunnels, 0, 'HTTPS goes past');

  const heads = sent.filter((word) => word !== `CONNECT ${OUTSIDE}:8443` && word !== 'TLS');
  const requests = [...Array.from({ length: 10 }, () => 'GET /'), 'GET /missing', 'POST /', `GET /stream/${id}`];
  requests.push(`GET /release/${id}`);
  const inside = heads.filter((head) => !head.startsWith('CONNECT '));
  if (http === 'past') t.same(heads, [], 'nothing of HTTP goes to the proxy');
  else if (http === 'CONNECT') {
    t.same(inside, requests, 'the requests are inside tunnels');
    t.same(new Set(heads.filter((head) => !inside.includes(head))), new Set([`CONNECT ${ORIGIN}`]));
  } else
    t.same(
      heads,
      requests.map((head) => head.replace(' /', ` http://${ORIGIN}/`)),
      'each request names its origin',
    );
}

function counts(t: Test, { http, https }: HttpClient, counted: Counted): void {
  const through = http === 'past' ? 0 : HTTP_REQUESTS;
  const ofOrigin = { destination: ORIGIN };
  t.equal(counted.sum('carpool_requests_total', ofOrigin), through, `${through} requests of carpool’s`);
  t.equal(counted.sum('carpool_requests_total', { ...ofOrigin, code_class: '4xx' }), through === 0 ? 0 : 1);
  const tunnels = counted.sum('carpool_requests_total', { method_class: 'tunnel' });
  t.equal(tunnels > 0, https === 'tunnel', `${tunnels} tunnels`);
  t.equal(counted.sum('carpool_requests_total'), through + tunnels, 'and no other, so NO_PROXY was kept to');
  t.equal(counted.sum('carpool_pool_requests_total', ofOrigin), through);
  // The stream and what releases it run side by side.
  const made = counted.sum('carpool_pool_connections_created_total', ofOrigin);
  t.ok(made <= 2, `pooled: ${made} new connections for ${through} requests`);
  t.equal(counted.sum('carpool_errors_total'), 0, 'carpool had no error of its own');
}

async function httpClient(t: Test, scene: Scene, client: HttpClient): Promise<void> {
  const { run, counted } = await observe(scene, client.pod, client.name, httpPlan(client.name));
  t.same(run.answers, HTTP_ANSWERS, 'each answer came as the origin sent it');
  inTheRightForm(t, client, run, `${client.name}-${process.pid}`);
  counts(t, client, counted);
}

async function grpcClient(t: Test, scene: Scene, { name, pod, through }: GrpcClient): Promise<void> {
  const plan = [...['get', GRPC, '10'], ...['post', GRPC, '20000'], ...['stream', GRPC, '1']];
  const { run, counted } = await observe(scene, pod, name, plan);
  const answers = [
    ...Array.from({ length: 10 }, () => hello),
    got('post', 200, 'x'.repeat(20_000)),
    got('stream', 200, 'spread\n'),
  ];
  t.same(run.answers, answers, 'each call was answered');
  t.same(run.sent, through ? [`CONNECT ${GRPC}`, 'PRI *'] : [], through ? 'one CONNECT, HTTP/2 inside' : 'nothing');
  const calls = { destination: GRPC, protocol: 'http2', code_class: '2xx' };
  t.equal(counted.sum('carpool_requests_total', calls), through ? answers.length : 0);
  t.equal(counted.sum('carpool_requests_total'), through ? answers.length : 0, 'each call is seen, and nothing else');
  const made = counted.sum('carpool_pool_connections_created_total', { destination: GRPC });
  t.ok(made <= 1, `pooled: ${made} new connections`);
}

t.test('the clients of an app, in an injected pod', { skip: noNode }, async (t) => {
  const scene = await Scene.open(t);
  await scene.makePods(PODS);
  const how = { absolute: 'in absolute form', CONNECT: 'by CONNECT', past: 'past the proxy' } as const;
  for (const client of HTTP_CLIENTS) {
    const words = `HTTP ${how[client.http]}, HTTPS ${client.https === 'tunnel' ? 'by tunnel' : 'past the proxy'}`;
    await t.test(`${client.name} (pod ${client.pod}): ${words}`, (t) => httpClient(t, scene, client));
  }
  for (const client of GRPC_CLIENTS) {
    const words = client.through ? 'HTTP/2 inside CONNECT' : 'past the proxy';
    await t.test(`${client.name} (pod ${client.pod}): ${words}`, (t) => grpcClient(t, scene, client));
  }
});
