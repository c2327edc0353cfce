import { readFileSync } from 'node:fs';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import { at, listAt, textAt } from '../cluster/json.ts';
import { objectsAt } from '../cluster/webhook-pods.ts';
import { scenario } from '../scenario.ts';
import { isInjected, WebhookStage } from './webhook-stage.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PROXY = 'http://127.0.0.1:14140';

scenario('a pod of a labelled namespace is injected, as the API server stores it', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const pod = await stage.createPod({ metadata: { name: 'whole' } });
  const [carpool, ...others] = objectsAt(pod, 'spec', 'initContainers');
  t.same(others, [], 'one init container');
  t.match(carpool, { name: 'carpool', restartPolicy: 'Always', startupProbe: { httpGet: { path: '/readyz' } } });
  const [app] = objectsAt(pod, 'spec', 'containers');
  t.match(
    objectsAt(app, 'env').filter(({ name }) => /^http_proxy$/i.test(String(name))),
    [
      { name: 'HTTP_PROXY', value: PROXY },
      { name: 'http_proxy', value: PROXY },
    ],
  );
  const volumes = objectsAt(pod, 'spec', 'volumes').map(({ name }) => name);
  for (const name of ['carpool-config', 'carpool-run', 'carpool-api-access']) t.ok(volumes.includes(name), name);
  t.equal(textAt(pod, 'metadata', 'labels', 'carpool.dev/injected'), 'true');
  t.doesNotThrow(() => JSON.parse(textAt(pod, 'metadata', 'annotations', 'carpool.dev/injection')));
  const [webhook] = stage.pods.pods;
  const log = readFileSync(webhook?.log ?? '', 'utf8');
  t.comment(`the API server asks by HTTP/${/"outcome":"injected".*"httpVersion":"([^"]*)"/.exec(log)?.[1]}`);
  t.notMatch(log, /14140|HTTP_PROXY/, 'nothing of a pod is in the log');
});

scenario('labels decide: opted out, and opted in where the namespace is not', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const out = await stage.createPod({ metadata: { labels: { 'carpool.dev/inject': 'false' } } });
  t.notOk(isInjected(out), 'by label: not asked');
  const annotated = await stage.createPod({ metadata: { annotations: { 'carpool.dev/inject': 'false' } } });
  t.notOk(isInjected(annotated), 'by annotation: skipped');
  t.equal(await stage.pods.metric('carpool_webhook_skipped_total{reason="opted_out"}'), 1);
  const elsewhere = `/api/v1/namespaces/${stage.system}/pods?dryRun=All`;
  const spec = { containers: [{ name: 'app', image: 'none' }] };
  t.notOk(isInjected(await stage.api.create(elsewhere, { metadata: { name: 'one' }, spec })));
  const labels = { 'carpool.dev/inject': 'true' };
  t.ok(isInjected(await stage.api.create(elsewhere, { metadata: { name: 'one', labels }, spec })), 'by its own label');
});

scenario('pods start without a sidecar while the webhook is away, hangs or is not trusted', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const [webhook] = stage.pods.pods;
  webhook?.process.kill('SIGSTOP');
  const began = performance.now();
  t.notOk(isInjected(await stage.createPod({})), 'it hangs');
  t.ok(performance.now() - began < 5_000, 'no longer than timeoutSeconds says, give or take');
  webhook?.process.kill('SIGCONT');
  await stage.untilHealed();
  t.pass('injected when it goes on');

  await stage.setBundles(base64(readFileSync(cluster.file('pki/ca.crt'), 'utf8')));
  await stage.untilNotInjected();
  t.pass('another CA in the bundle: the API server does not trust it');
  await stage.untilHealed();
  t.pass('the webhook has put its own there');

  webhook?.process.kill('SIGKILL');
  t.notOk(isInjected(await stage.createPod({})), 'it is away');
});

scenario('a certificate that is broken, gone or not its own is made anew', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const good = at(await stage.api.get(stage.secretPath), 'data', 'tls.crt');
  const bad = base64(readFileSync(cluster.file('pki/apiserver.crt'), 'utf8'));
  const old = await makeCertificates([`${stage.name}.${stage.system}.svc`], Date.now() - 7_200_000, 3_600_000);
  for (const [what, data] of [
    ['expired', { 'tls.crt': base64(old.cert), 'tls.key': base64(old.key), 'ca.crt': base64(old.ca) }],
    ['empty', { 'tls.crt': '', 'tls.key': '', 'ca.crt': '' }],
    ['no PEM', { 'tls.crt': base64('no certificate') }],
    ["somebody else's", { 'tls.crt': bad }],
  ] as const) {
    await stage.api.patch(stage.secretPath, { data });
    t.ok(isInjected(await stage.createPod({})), `${what}: what is served stays`);
    stage.pods.lookNow();
    await stage.untilMade(data);
    t.not(at(await stage.api.get(stage.secretPath), 'data', 'tls.crt'), good, `${what}: another has been made`);
    t.ok(isInjected(await stage.createPod({})), 'and pods are injected');
  }
});

scenario('an upgrade by Helm leaves certificate and bundle alone', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const before = { bundles: await stage.bundles(), data: at(await stage.api.get(stage.secretPath), 'data') };
  t.ok(before.bundles.every((bundle) => bundle !== ''));
  stage.helm('upgrade', { timeoutSeconds: 2 });
  t.same(await stage.bundles(), before.bundles);
  t.same(at(await stage.api.get(stage.secretPath), 'data'), before.data);
  t.same(
    listAt(await stage.api.get(stage.configurationPath), 'webhooks').map((webhook) => at(webhook, 'timeoutSeconds')),
    [2, 2],
    'while what the values say has changed',
  );
});
