import { setTimeout as wait } from 'node:timers/promises';
import { connect } from 'node:tls';
import { scenario } from '../scenario.ts';
import { until } from '../until.ts';
import { PodStream } from './pod-stream.ts';
import { isInjected, WebhookStage } from './webhook-stage.ts';

/** What a replica shows in a handshake. */
function fingerprint(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: 8443, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

scenario('certificates rotate under a stream of new pods, and each of them is injected', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster, { replicas: 2 });
  const shown = (): Promise<string[]> => Promise.all(stage.pods.pods.map(({ address }) => fingerprint(address)));
  const before = await shown();
  t.equal(new Set(before).size, 1, 'both replicas serve the same');
  const stream = PodStream.start(stage, 25);
  await wait(1_000);
  await stage.api.patch(stage.secretPath, { data: { 'tls.crt': '', 'tls.key': '', 'ca.crt': '' } });
  stage.pods.lookNow();
  await until(
    'both replicas with another certificate',
    async () => {
      const now = await shown();
      return now.length === 2 && now.every((each) => !before.includes(each)) && new Set(now).size === 1;
    },
    40_000,
  );
  // Each question that runs has a connection of its own: these need new ones, with the new certificate.
  const burst = await Promise.all(Array.from({ length: 40 }, () => stage.createPod({})));
  t.ok(burst.every(isInjected), 'so are forty at once');
  const { created, bare } = await stream.end();
  t.comment(`${created} pods`);
  t.ok(created > 100, 'there was a stream');
  t.same(bare, [], 'each was injected');
  t.equal(await stage.pods.metric('carpool_webhook_certificate_rotations_total{outcome="failed"}'), 0);
});

scenario(
  'the webhook itself is rolled out under a stream of new pods, and each of them is injected',
  async (t, { cluster }) => {
    const stage = await WebhookStage.open(t, cluster, { replicas: 2 });
    const before = stage.pods.pods.map(({ name }) => name);
    const stream = PodStream.start(stage, 25);
    await wait(500);
    stage.helm('upgrade', { podAnnotations: { again: 'yes' } });
    await until('new pods only', () => stage.pods.pods.every(({ name }) => !before.includes(name)), 60_000);
    await stage.pods.untilReady(2, stage.name);
    await wait(500);
    const { created, bare } = await stream.end();
    t.comment(`${created} pods`);
    t.ok(created > 50, 'there was a stream');
    t.same(bare, [], 'each was injected');
  },
);
