import { kill } from 'node:process';
import t from 'tap';
import { failures } from '../ledgers.ts';
import { until } from '../until.ts';
import { appRecords, moreRequests } from './books.ts';
import { ContainerCgroup } from './container-cgroup.ts';
import { containerOf } from './container-events.ts';
import { PodSidecar } from './pod-sidecar.ts';
import { noNode, Site } from './site.ts';
import { appTemplate, deployApp, deployWeb } from './workloads.ts';

const PODS = 5;
const READY_MS = 500;

const rounded = (times: readonly number[]): string => times.map(Math.round).join(', ');
const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;

t.test('the start of a pod, and what happens to its sidecar then', { skip: noNode }, async (t) => {
  const site = await Site.open(t);
  const { node, namespace } = site;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await deployWeb(site, 2);

  await t.test(`carpool is ready within ${READY_MS} ms of its container's start`, async (t) => {
    const ready: number[] = [];
    const said: number[] = [];
    const held: number[] = [];
    const withCarpool: number[] = [];
    const without: number[] = [];
    for (let i = 0; i < PODS; i++) {
      // Those without are there to compare with: three are enough.
      for (const inject of i < 3 ? ['true', 'false'] : ['true']) {
        const label = `start-${inject}-${i}`;
        const template = appTemplate(site, label, { env: { RATE: '20' }, labels: { 'carpool.dev/inject': inject } });
        const begun = Date.now();
        await node.api.create(pods, { ...template, metadata: { name: label, ...withLabels(template) } });
        const [pod] = await node.untilPods(namespace, `app=${label}`, 1);
        if (pod === undefined) throw new Error('no pod');
        const app = (await site.events.started(pod, 'app')).at;
        (inject === 'true' ? withCarpool : without).push(app - begun);
        if (inject === 'true') {
          const { at } = await site.events.started(pod, 'carpool');
          const told = new PodSidecar(node, namespace, pod).ready();
          ready.push(told.at - at);
          said.push(told.readyMs);
          held.push(app - at);
        }
        await moreRequests(site, label, 5);
        t.same(failures(appRecords(site, label).flatMap(({ entries }) => entries)), [], `no request of ${label} fails`);
        await node.kubectl('-n', namespace, 'delete', 'pod', label, '--now');
      }
    }
    t.comment(`ready after ${rounded(ready)} ms (by its own clock after ${rounded(said)} ms)`);
    t.comment(`the app's container starts ${rounded(held)} ms after carpool's`);
    t.comment(`and ${rounded(withCarpool)} ms after the pod was made; without a sidecar ${rounded(without)} ms`);
    t.comment(`so that it costs ${Math.round(median(withCarpool) - median(without))} ms, by the medians`);
    // What neighbours take of two cores only adds to it.
    t.ok(Math.min(...ready) <= READY_MS, `ready after ${rounded([Math.min(...ready)])} ms at best`);
  });

  await deployApp(site, 'shop', { env: { RATE: '50' } });
  const [pod] = await node.untilPods(namespace, 'app=shop', 1);
  if (pod === undefined) throw new Error('no pod');
  const sidecar = new PodSidecar(node, namespace, pod);

  await t.test('an edited ConfigMap is read in place', async (t) => {
    await sidecar.untilFound(`${site.host('web')}:80`, 2);
    const reloads = async (): Promise<number> =>
      (await sidecar.metrics()).sum('carpool_config_reloads_total', { outcome: 'applied' });
    const before = await reloads();
    const edited = Date.now();
    await site.install({ config: { telemetry: { logLevel: 'debug' } } });
    await until('the reload', async () => (await reloads()) > before, 90_000);
    t.comment(`${Math.round((Date.now() - edited) / 1000)} s after the edit began`);
    await until('a line of the log that names the setting', () =>
      sidecar.log().some(({ text }) => text.includes('telemetry.logLevel')),
    );
    const [now] = await node.untilPods(namespace, 'app=shop', 1);
    t.equal(now?.uid, pod.uid, 'it is the same pod');
    t.same(
      now?.containers.map(({ restarts }) => restarts),
      [0, 0],
      'no container has been restarted',
    );
    t.same(failures(appRecords(site, 'shop-').flatMap(({ entries }) => entries)), [], 'no request has failed');
  });

  await t.test('a sidecar that is killed is started again, and the app goes on', async (t) => {
    const [main = 0] = new ContainerCgroup(node, pod, 'carpool').processes;
    const killed = Date.now();
    kill(main, 'SIGKILL');
    await until('another life', async () => {
      const [now] = await node.pods(namespace, 'app=shop');
      return now !== undefined && containerOf(now, 'carpool').restarts === 1 && now.ready;
    });
    const back = Date.now();
    await moreRequests(site, 'shop-', 100);
    const entries = appRecords(site, 'shop-').flatMap((record) => record.entries);
    const failed = entries.filter(({ status }) => status !== 200);
    const last = Math.max(killed, ...failed.map(({ endedAt }) => endedAt));
    t.comment(`${failed.length} requests found nobody, the last ${last - killed} ms after the end`);
    t.ok(
      failed.every(({ sentAt, endedAt }) => endedAt >= killed && sentAt <= back),
      'only requests that found nobody have failed',
    );
    const [now] = await node.pods(namespace, 'app=shop');
    t.equal(now && containerOf(now, 'app').restarts, 0, 'the app has not been restarted');
    t.ok(entries.some(({ sentAt, status }) => sentAt > back && status === 200));
  });
});

/** The rest of a template's metadata. */
function withLabels(template: { readonly metadata?: unknown }): object {
  const { metadata } = template;
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}
