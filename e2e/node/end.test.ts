import t from 'tap';
import { type Json, listAt, textAt } from '../cluster/json.ts';
import { failures } from '../ledgers.ts';
import { until } from '../until.ts';
import { appRecords, moreRequests } from './books.ts';
import { noNode, Site } from './site.ts';
import type { PodStatus } from './whole-node.ts';
import { appTemplate, deployApp, deployWeb } from './workloads.ts';

const COUNT = 50;
/** How long a sidecar may outlive its app. */
const AFTER_MS = 3000;

t.test('the end of a pod', { skip: noNode }, async (t) => {
  const site = await Site.open(t);
  const { node, namespace, events } = site;
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  await deployWeb(site, 2);

  /** A Job whose app makes its requests, and then ends with that code. */
  const job = (name: string, exitCode: number): Json => {
    const template = appTemplate(site, name, {
      env: { RATE: '100', COUNT: String(COUNT), EXIT_CODE: String(exitCode) },
    });
    const { spec, metadata } = template;
    return {
      backoffLimit: 0,
      template: {
        metadata,
        spec: { ...(typeof spec === 'object' && spec !== null ? spec : {}), restartPolicy: 'Never' },
      },
    };
  };
  const condition = (name: string): Promise<string> =>
    until(
      `the end of the Job ${name}`,
      async () => {
        const found = listAt(await node.api.get(`${jobs}/${name}`), 'status', 'conditions');
        const last = found.map((each) => textAt(each, 'type')).find((type) => type === 'Complete' || type === 'Failed');
        return last ?? null;
      },
      90_000,
    );
  /** Milliseconds from the app's end to the sidecar's, and how both ended. */
  const ends = async (
    pod: PodStatus,
  ): Promise<{ readonly ms: number; readonly app: number; readonly carpool: number }> => {
    const [app, carpool] = [await events.ended(pod, 'app'), await events.ended(pod, 'carpool')];
    return { ms: carpool.at - app.at, app: app.code, carpool: carpool.code };
  };

  // Its first Job comes with the next minute: other tests run meanwhile.
  await node.api.create(`/apis/batch/v1/namespaces/${namespace}/cronjobs`, {
    metadata: { name: 'minutely' },
    spec: { schedule: '* * * * *', concurrencyPolicy: 'Forbid', jobTemplate: { spec: job('minutely', 0) } },
  });

  for (const [name, exitCode, wanted] of [
    ['once', 0, 'Complete'],
    ['broken', 3, 'Failed'],
  ] as const) {
    await t.test(`a Job whose app ends with ${exitCode} is ${wanted}, and its sidecar ends with its app`, async (t) => {
      await node.api.create(jobs, { metadata: { name }, spec: job(name, exitCode) });
      t.equal(await condition(name), wanted);
      const [pod] = await node.pods(namespace, `app=${name}`);
      if (pod === undefined) throw new Error('no pod');
      const { ms, app, carpool } = await ends(pod);
      t.comment(`the sidecar ended ${Math.round(ms)} ms after its app`);
      t.ok(ms > 0, 'the sidecar ended last');
      t.ok(ms < AFTER_MS, `within ${AFTER_MS} ms`);
      t.same([app, carpool], [exitCode, 0], 'with these exit codes');
      const entries = appRecords(site, `${name}-`).flatMap((record) => record.entries);
      t.equal(entries.length, COUNT, 'each request was made once');
      t.same(failures(entries), [], 'and none failed');
    });
  }

  await t.test('what an app asks for after SIGTERM is answered: the sidecar ends after it', async (t) => {
    const lingerMs = 5000;
    const rate = 50;
    await deployApp(site, 'late', { env: { RATE: String(rate), POST_SHARE: '0.2', LINGER_MS: String(lingerMs) } });
    const [pod] = await node.untilPods(namespace, 'app=late', 1);
    if (pod === undefined) throw new Error('no pod');
    await moreRequests(site, 'late-', rate);
    await node.kubectl('-n', namespace, 'delete', 'deployment', 'late', '--cascade=foreground', '--wait=false');
    const { ms, app, carpool } = await ends(pod);
    t.comment(`the sidecar ended ${Math.round(ms)} ms after its app`);
    t.ok(ms > 0, 'the sidecar ended last');
    t.ok(ms < AFTER_MS, `within ${AFTER_MS} ms`);
    t.same([app, carpool], [0, 0], 'with these exit codes');
    const [record] = appRecords(site, 'late-');
    const told = record?.times.get('sigterm') ?? 0;
    const after = (record?.entries ?? []).filter(({ sentAt }) => told > 0 && sentAt > told);
    const span = Math.max(0, ...after.map(({ sentAt }) => sentAt)) - told;
    t.ok(
      after.length > 0.9 * rate * (lingerMs / 1000),
      `${after.length} requests were sent in the ${span} ms after it`,
    );
    t.same(failures(record?.entries ?? []), [], 'none has failed');
  });

  await t.test("a CronJob's pods end, too", async (t) => {
    const [pod] = await until(
      'the first pod of the CronJob',
      async () => {
        const pods = await node.pods(namespace, 'app=minutely');
        return pods.length > 0 && pods;
      },
      90_000,
    );
    if (pod === undefined) throw new Error('no pod');
    t.equal(await condition(textAt(pod.object, 'metadata', 'labels', 'job-name')), 'Complete');
    const [ended] = await node.pods(namespace, 'app=minutely');
    if (ended === undefined) throw new Error('no pod');
    const { ms } = await ends(ended);
    t.comment(`the sidecar ended ${Math.round(ms)} ms after its app`);
    t.ok(ms > 0 && ms < AFTER_MS);
    t.same(failures(appRecords(site, 'minutely-').flatMap(({ entries }) => entries)), [], 'no request has failed');
  });
});
