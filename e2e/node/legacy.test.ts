import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { listAt, textAt } from '../cluster/json.ts';
import { closeBooks, moreRequests } from './books.ts';
import { noNode, Site } from './site.ts';
import { appDeployment, deployWeb } from './workloads.ts';

const RATE = 50;
const ROUNDS = 2;

t.test('legacy mode, by carpool inject', { skip: noNode }, async (t) => {
  const site = await Site.open(t, { labelled: false });
  const { node, namespace, events } = site;
  await deployWeb(site, 3);
  const file = `${site.ledgers}/old.yaml`;
  writeFileSync(
    file,
    JSON.stringify(
      appDeployment(site, 'old', { replicas: 2, env: { RATE: String(RATE), POST_SHARE: '0.2', LINGER_MS: '1000' } }),
    ),
  );
  const args = [node.project('dist/carpool.js'), 'inject', '--mode', 'legacy', '-f', file];
  const injected = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  writeFileSync(file, injected);
  await node.kubectl('-n', namespace, 'apply', '-f', file);
  const pods = await node.untilPods(namespace, 'app=old', 2);

  await t.test('the app starts when the sidecar takes requests', async (t) => {
    for (const pod of pods) {
      const names = listAt(pod.object, 'spec', 'containers').map((container) => textAt(container, 'name'));
      t.same(names, ['carpool', 'app'], 'the sidecar is a container like any other, the first');
      const ready = node.log(namespace, pod, 'carpool').find(({ text }) => text.includes('"msg":"ready"'));
      const app = await events.started(pod, 'app');
      t.ok(ready !== undefined && app.at > ready.at, `${Math.round(app.at - (ready?.at ?? 0))} ms after it was ready`);
    }
  });

  await t.test(`${ROUNDS} rolling updates of it: no request fails`, async (t) => {
    await moreRequests(site, 'old-', RATE);
    for (let round = 0; round < ROUNDS; round++) {
      await node.restart(namespace, 'old');
      await moreRequests(site, 'old-', RATE);
    }
    await closeBooks(t, site, 'old');
  });
});
