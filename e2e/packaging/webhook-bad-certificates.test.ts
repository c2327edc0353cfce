import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Test } from 'tap';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { at } from '../cluster/json.ts';
import { hasEnded } from '../processes.ts';
import { scenario } from '../scenario.ts';
import { until } from '../until.ts';
import { isInjected, WebhookStage } from './webhook-stage.ts';

/** Longer than a replica keeps a new certificate back (10 s), so that it is served before it expires. */
const SHORT_MS = 16_000;
const BROKEN = 'carpool_webhook_broken_connections_total';

/** The certificate that the webhook shows in a handshake. */
function shown(stage: WebhookStage): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const host = stage.pods.pods[0]?.address ?? '';
    const socket = connect({ host, port: 8443, rejectUnauthorized: false }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error('no certificate'));
      else resolve(certificate);
    });
    socket.on('error', reject);
  });
}

async function untilShown(stage: WebhookStage, pem: string): Promise<void> {
  const { fingerprint256 } = new X509Certificate(pem);
  const isShown = async (): Promise<boolean> => (await shown(stage)).fingerprint256 === fingerprint256;
  await until('the certificate to be served', isShown, 30_000);
}

/** The process that plays the webhook: another after a restart. */
const processOf = (stage: WebhookStage): number => stage.pods.pods[0]?.process.pid ?? 0;

/** The webhook with certificates that others make, mounted from a Secret. */
function openMounted(t: Test, cluster: Cluster): Promise<WebhookStage> {
  return WebhookStage.open(t, cluster, { certificates: { source: 'cert-manager' } });
}

/** The API server refuses what is served, and the pod starts all the same. */
async function startsBare(t: Test, stage: WebhookStage, what: string): Promise<void> {
  const before = await stage.pods.metric(BROKEN);
  await stage.untilNotInjected();
  t.ok(
    (await stage.pods.metric(BROKEN)) > before,
    `${what}: the API server breaks the handshake off, and the pod starts`,
  );
}

scenario(
  'with an expired certificate that is served pods start, and soon with a sidecar again',
  async (t, { cluster }) => {
    const stage = await openMounted(t, cluster);
    const process = processOf(stage);
    const old = await stage.issue(SHORT_MS);
    await untilShown(stage, old.cert);
    await stage.trust(old.ca);
    await stage.untilHealed();
    const { validToDate } = await shown(stage);
    await until('the certificate to expire', () => Date.now() > validToDate.getTime() + 1_000, SHORT_MS + 5_000);
    // Connections that are open stay good; another bundle has the API server open new ones.
    const { ca } = await makeCertificates(['elsewhere'], Date.now(), 3_600_000);
    await stage.trust(old.ca, ca);
    await startsBare(t, stage, 'expired');
    t.ok((await shown(stage)).validToDate.getTime() < Date.now(), 'it is still served');
    await stage.pods.untilNoneReady(stage.name);
    t.notOk(isInjected(await stage.createPod({})), 'its pod is not ready then, and pods start');

    await stage.trust((await stage.issue()).ca);
    await stage.untilHealed();
    t.equal(processOf(stage), process, 'without a restart');
  },
);

scenario('with a certificate that is broken pods start, and soon with a sidecar again', async (t, { cluster }) => {
  const stage = await openMounted(t, cluster);
  const process = processOf(stage);
  for (const [what, host, signed] of [
    ['for another name', 'elsewhere.shop', true],
    ['of a CA that nobody trusts', undefined, false],
  ] as const) {
    const { cert, ca } = await stage.issue(86_400_000, host);
    await untilShown(stage, cert);
    const other = await makeCertificates(['elsewhere'], Date.now(), 3_600_000);
    await stage.trust(signed ? ca : other.ca);
    await startsBare(t, stage, what);
    await stage.trust((await stage.issue()).ca);
    await stage.untilHealed();
    t.equal(processOf(stage), process, 'healed without a restart');
  }
});

scenario('files that are cut off are not served: the last good ones are, or none', async (t, { cluster }) => {
  const stage = await openMounted(t, cluster);
  const { cert, key, ca } = await stage.issue();
  await untilShown(stage, cert);
  await stage.trust(ca);
  await stage.untilHealed();
  const cut = (text: string): string => text.slice(0, text.length / 2);
  const next = await makeCertificates([`${stage.name}.${stage.system}.svc`], Date.now(), 86_400_000);
  for (const [what, files] of [
    ['the key', { 'tls.crt': next.cert, 'tls.key': cut(next.key) }],
    ['the certificate', { 'tls.crt': cut(next.cert), 'tls.key': next.key }],
    ['the second of two certificates', { 'tls.crt': next.cert + cut(next.ca), 'tls.key': next.key }],
    ['a key that is not its own', { 'tls.crt': next.cert, 'tls.key': key }],
  ] as const) {
    const failed = 'carpool_webhook_certificate_rotations_total{outcome="failed"}';
    const before = await stage.pods.metric(failed);
    await stage.mount(files);
    await until('the files to be looked at', async () => (await stage.pods.metric(failed)) > before);
    t.ok(isInjected(await stage.createPod({})), `${what}: what is served stays`);
  }
  const [pod] = stage.pods.pods;
  await stage.api.delete(`/api/v1/namespaces/${stage.system}/pods/${pod?.name}`);
  await until('another process', () => processOf(stage) !== 0 && processOf(stage) !== pod?.process.pid, 30_000);
  await until('the end of the first', () => pod !== undefined && hasEnded(pod.process), 30_000);
  const process = processOf(stage);
  await stage.pods.untilNoneReady(stage.name);
  t.notOk(isInjected(await stage.createPod({})), 'a replica that starts with such files is not ready, and pods start');
  await stage.mount({ 'tls.crt': next.cert, 'tls.key': next.key });
  await stage.trust(next.ca);
  await stage.untilHealed();
  t.equal(processOf(stage), process, 'healed without a restart');
});

scenario(
  'a certificate of its own that it may not renew expires: pods start, until it may again',
  async (t, { cluster }) => {
    const stage = await WebhookStage.open(t, cluster);
    const process = processOf(stage);
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${stage.system}/roles/${stage.name}`;
    const rules = at(await stage.api.get(role), 'rules');
    t.ok(Array.isArray(rules) && rules.length === 1, 'the one right');
    const rule = { apiGroups: [''], resources: ['secrets'], resourceNames: [`${stage.name}-certificate`] };
    await stage.api.patch(role, { rules: [{ ...rule, verbs: ['get'] }] });
    const host = `${stage.name}.${stage.system}`;
    const old = await makeCertificates([`${host}.svc`, `${host}.svc.cluster.local`, host], Date.now(), SHORT_MS);
    const encoded = (text: string): string => Buffer.from(text).toString('base64');
    await stage.api.patch(stage.secretPath, {
      data: { 'tls.crt': encoded(old.cert), 'tls.key': encoded(old.key), 'ca.crt': encoded(old.ca) },
    });
    stage.pods.lookNow();
    await untilShown(stage, old.cert);
    t.ok(isInjected(await stage.createPod({})), 'it is adopted while it holds, and trusted');
    const { validToDate } = await shown(stage);
    await until('the certificate to expire', () => Date.now() > validToDate.getTime() + 1_000, SHORT_MS + 5_000);
    await stage.trust(old.ca);
    await startsBare(t, stage, 'expired');
    t.equal((await shown(stage)).fingerprint256, new X509Certificate(old.cert).fingerprint256, 'it is still served');

    await stage.api.patch(role, { rules });
    await stage.untilHealed();
    t.equal(processOf(stage), process, 'without a restart');
  },
);
