import t from 'tap';
import { closeBooks, moreRequests } from './books.ts';
import { noNode, Site } from './site.ts';
import { deployApp, deployWeb } from './workloads.ts';

const ROUNDS = Number(process.env.CARPOOL_E2E_ROUNDS ?? 10);
const RATE = 100;
const APPS = 2;

t.test('rolling updates under load, in pods', { skip: noNode }, async (t) => {
  const site = await Site.open(t);
  await deployWeb(site, 3);

  await t.test(`${ROUNDS} rolling updates of the upstream: no request fails, no POST arrives twice`, async (t) => {
    await deployApp(site, 'steady', {
      replicas: APPS,
      env: { RATE: String(RATE), POST_SHARE: '0.2', LINGER_MS: '1000' },
    });
    await moreRequests(site, 'steady-', RATE);
    for (let round = 0; round < ROUNDS; round++) {
      await site.node.restart(site.namespace, 'web');
      await moreRequests(site, 'steady-', RATE);
    }
    const { origins } = await closeBooks(t, site, 'steady');
    t.equal(new Set(origins.map(({ origin }) => origin)).size, 3 * (ROUNDS + 1), 'each new pod had its part');
  });

  await t.test(`${ROUNDS} rolling updates of the app, its sidecar included: no request fails`, async (t) => {
    await deployApp(site, 'moving', {
      replicas: APPS,
      env: { RATE: String(RATE), POST_SHARE: '0.2', LINGER_MS: '1000' },
    });
    await moreRequests(site, 'moving-', RATE);
    for (let round = 0; round < ROUNDS; round++) {
      await site.node.restart(site.namespace, 'moving');
      await moreRequests(site, 'moving-', RATE);
    }
    const { client } = await closeBooks(t, site, 'moving');
    const pods = new Set(client.map(({ id }) => id.replace(/\..*/, '')));
    t.equal(pods.size, APPS * (ROUNDS + 1), 'each pod made requests');
  });
});
