import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { failures } from '../ledgers.ts';
import { appRecords, moreRequests } from './books.ts';
import { ContainerCgroup } from './container-cgroup.ts';
import { noNode, Site } from './site.ts';
import { deployApp, deployWeb } from './workloads.ts';

/** How long each is watched. */
const SPAN_MS = 20_000;
const RATE = 200;
const LIMIT_MIB = 256;
/** What the container asks for: a sidecar that needs more is scheduled for less than it takes. */
const REQUEST_MIB = 96;

t.test('what a sidecar takes of its node', { skip: noNode }, async (t) => {
  const site = await Site.open(t);
  const { node, namespace } = site;
  await deployWeb(site, 3);
  await deployApp(site, 'quiet', { env: { RATE: '0' } });
  await deployApp(site, 'busy', { env: { RATE: String(RATE), POST_SHARE: '0.2' } });

  /** Watches the container for a while, in which `work` may be done. @returns the share of one processor it took */
  const watch = async (t: Test, app: string, work: () => Promise<unknown>): Promise<number> => {
    const [pod] = await node.untilPods(namespace, `app=${app}`, 1);
    if (pod === undefined) throw new Error('no pod');
    const carpool = new ContainerCgroup(node, pod, 'carpool');
    const begun = performance.now();
    const before = carpool.cpuMs;
    await work();
    const share = (carpool.cpuMs - before) / (performance.now() - begun);
    const { workingSetMiB, anonymousMiB, peakMiB, limitMiB, oomKills } = carpool;
    const figures = `working set ${workingSetMiB.toFixed(1)} MiB, anonymous ${anonymousMiB.toFixed(1)}, peak ${peakMiB.toFixed(1)} of ${limitMiB}`;
    t.comment(`${app}: ${figures}; ${(share * 1000).toFixed(1)} thousandths of a processor`);
    t.equal(limitMiB, LIMIT_MIB, 'the kernel has the limit of the chart');
    t.equal(oomKills, 0, 'nothing was killed for it');
    t.ok(
      peakMiB < LIMIT_MIB / 2,
      `${peakMiB.toFixed(1)} MiB at the most, files included: half of the limit is never used`,
    );
    t.ok(anonymousMiB < REQUEST_MIB, `${anonymousMiB.toFixed(1)} MiB is less than what is asked for`);
    return share;
  };

  await t.test('with nothing to do', async (t) => {
    const share = await watch(t, 'quiet', () => wait(SPAN_MS));
    t.ok(share < 0.02, `${(share * 100).toFixed(2)} % of a processor: less than the 20m that are asked for`);
  });

  await t.test(`at ${RATE} requests a second`, async (t) => {
    const share = await watch(t, 'busy', () => moreRequests(site, 'busy-', (RATE * SPAN_MS) / 1000));
    t.comment(`${((share * 1e6) / RATE).toFixed(0)} µs of a processor for each request`);
    t.same(failures(appRecords(site, 'busy-').flatMap(({ entries }) => entries)), [], 'no request has failed');
  });
});
