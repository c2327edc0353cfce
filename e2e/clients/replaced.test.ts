import t from 'tap';
import { noNode } from '../node/site.ts';
import { until } from '../until.ts';
import { GRPC_CLIENTS, HTTP_CLIENTS, PODS } from './matrix.ts';
import { Scene } from './scene.ts';

/** Of each client, at the least. */
const REQUESTS = 200;
const SMALLEST_PART = 0.2;
/** So that whoever starts late has one, too. */
const ROUNDS = 2;
/** Some twenty programs start at once, Java's from their source. */
const SLOW_MS = 180_000;
const HTTP = 'shop:8080';
const GRPC = 'shop:9000';

/** They are no other than the ones beside them: fewer programs at once on a small machine. */
const ALIKE = ['java-http-client-1.1', 'http-node24', 'http-proxy-env-agent', 'fetch-beside-undici', 'undici'];

/** Those that go through carpool, each in the pod that it goes through with the fewest annotations. */
const clients = new Map(
  [
    ...HTTP_CLIENTS.filter(({ name, http }) => http !== 'past' && !ALIKE.includes(name)).map(({ name, pod }) => ({
      name,
      pod,
      url: `http://${HTTP}/`,
    })),
    ...GRPC_CLIENTS.filter(({ through }) => through).map(({ name, pod }) => ({ name, pod, url: GRPC })),
  ]
    .toReversed()
    .map((client) => [client.name, client]),
);

t.test('no client sees a failure while the pods that it calls are replaced', { skip: noNode }, async (t) => {
  const scene = await Scene.open(t);
  await scene.makePods(PODS);
  const pods = [...new Set([...clients.values()].map(({ pod }) => pod))];
  const answered = async (): Promise<number> => {
    let sum = 0;
    for (const pod of pods) sum += await scene.answered(pod);
    return sum;
  };

  const runs = Promise.all(
    [...clients.values()].map(async ({ name, pod, url }) => ({
      name,
      run: await scene.run(pod, name, ['paced', url, String(REQUESTS)]),
    })),
  );
  // It is looked at below, unless something else goes wrong before.
  runs.catch(() => {});
  const started = REQUESTS * clients.size * SMALLEST_PART;
  await until('all clients at work', async () => (await answered()) > started, SLOW_MS);
  const { node, namespace } = scene.site;
  for (let round = 0; round < ROUNDS; round++) {
    await node.restart(namespace, 'shop');
    await node.untilPods(namespace, 'app=shop', 2);
  }
  const old = await answered();
  await until('requests to the new pods', async () => (await answered()) > old + started, SLOW_MS);
  for (const pod of pods) await scene.enough(pod);

  for (const { name, run } of await runs) {
    const failed = run.answers.filter((answer) => !('status' in answer) || answer.status !== 200);
    t.same(failed, [], `${name}: ${run.answers.length} requests, none failed`);
    t.ok(run.answers.length >= REQUESTS, `${name} made them all`);
  }
});
