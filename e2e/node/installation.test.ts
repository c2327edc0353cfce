import t, { type Test } from 'tap';
import { failures } from '../ledgers.ts';
import { appRecords, moreRequests } from './books.ts';
import { PodSidecar } from './pod-sidecar.ts';
import { noNode, Site } from './site.ts';
import type { PodStatus } from './whole-node.ts';
import { deployApp, deployWeb, scale } from './workloads.ts';

/** The names of a pod's containers, those that run beside it included. */
function names(pod: PodStatus | undefined): readonly string[] {
  return (pod?.containers ?? []).map(({ name }) => name);
}

t.test('from the installation to its end', { skip: noNode }, async (t) => {
  const site = await Site.open(t, { labelled: false });
  const { node, namespace } = site;
  const restarted = async (): Promise<PodStatus | undefined> => {
    await node.restart(namespace, 'shop');
    const [pod] = await node.untilPods(namespace, 'app=shop', 1);
    return pod;
  };
  /** The app in that pod makes requests, and none fails. */
  const works = async (t: Test, pod: PodStatus | undefined): Promise<void> => {
    await moreRequests(site, pod?.name ?? '', 50);
    t.same(
      failures(appRecords(site, pod?.name ?? '').flatMap(({ entries }) => entries)),
      [],
      'none of its requests fails',
    );
  };
  await deployWeb(site, 2);
  await deployApp(site, 'shop', { env: { RATE: '50', POST_SHARE: '0.2' } });

  await t.test('without the label a pod is as it was', async (t) => {
    const [pod] = await node.untilPods(namespace, 'app=shop', 1);
    t.same(names(pod), ['app']);
    await works(t, pod);
  });

  await t.test('labelled and restarted, it has a sidecar that its requests go through', async (t) => {
    await site.label(true);
    const pod = await restarted();
    t.same(names(pod), ['carpool', 'app']);
    if (pod === undefined) return;
    await works(t, pod);
    const sidecar = new PodSidecar(node, namespace, pod);
    await sidecar.untilFound(`${site.host('web')}:80`, 2);
    const before = appRecords(site, pod.name).flatMap(({ entries }) => entries).length;
    const counted = (await sidecar.metrics()).sum('carpool_requests_total', { code_class: '2xx' });
    t.ok(counted >= before, `of ${before} requests carpool has counted ${counted}`);
    const connections = (await sidecar.metrics()).sum('carpool_pool_connections_created_total');
    t.comment(`${counted} requests over ${connections} connections`);
  });

  await t.test('helm test says that it works', async (t) => {
    t.match(await node.helm('test', site.release, '-n', site.release, '--timeout', '90s'), /Succeeded/);
  });

  await t.test('with the webhook away pods still start, without a sidecar', async (t) => {
    await scale(site, site.webhook, 0, site.release);
    await node.untilPods(site.release, 'app.kubernetes.io/component=webhook', 0);
    const pod = await restarted();
    t.same(names(pod), ['app']);
    await works(t, pod);
    await scale(site, site.webhook, 1, site.release);
    await site.untilWebhook();
    t.same(names(await restarted()), ['carpool', 'app'], 'and the next one has one, when the webhook is back');
  });

  await t.test('uninstalled, nothing of it is left, and pods that run go on', async (t) => {
    const [pod] = await node.untilPods(namespace, 'app=shop', 1);
    await site.uninstall();
    const kinds =
      'deployments,services,serviceaccounts,secrets,configmaps,roles,rolebindings,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,poddisruptionbudgets,networkpolicies';
    const left = await node.kubectl(
      'get',
      kinds,
      '-A',
      '-o',
      'name',
      '-l',
      `app.kubernetes.io/instance=${site.release}`,
    );
    t.equal(left, '');
    t.notMatch(await node.kubectl('-n', site.release, 'get', kinds, '-o', 'name'), /carpool/, 'nor without its labels');
    await works(t, pod);
    t.same(names(await restarted()), ['app'], 'a new pod has no sidecar');
  });
});
