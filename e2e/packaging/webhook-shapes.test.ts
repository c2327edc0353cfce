import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { basename } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { injectPod } from '../../src/injection/inject.ts';
import { parseQuantity } from '../../src/injection/quantity.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { workloadsIn } from '../../src/injection/workloads.ts';
import { CertificateAuthority } from '../../test/certificate-authority.ts';
import { ApiRefusal } from '../cluster/admin-api.ts';
import { at, isJson, type Json, listAt, textAt } from '../cluster/json.ts';
import { objectsAt } from '../cluster/webhook-pods.ts';
import { scenario } from '../scenario.ts';
import { until } from '../until.ts';
import { isInjected, WebhookStage } from './webhook-stage.ts';

type Shape = { readonly name: string; readonly template: Json };

/** Every pod and pod template of the shapes that injection is tested with. */
function shapes(): readonly Shape[] {
  const folder = new URL('../../test/injection/shapes/', import.meta.url).pathname;
  return globSync(`${folder}*.yaml`)
    .filter((file) => !/\.(golden|settings)\.yaml$/.test(file))
    .sort()
    .flatMap((file) =>
      parseAllDocuments(readFileSync(file, 'utf8'))
        .flatMap((document) => workloadsIn(document.toJS()))
        .map(({ name, template }) => ({ name: `${basename(file, '.yaml')} ${name}`, template })),
    );
}

/** What a pod of this template is, asked of the API server without making it; or the words of its refusal. */
async function asked(stage: WebhookStage, template: Json, labels: Json): Promise<Json | string> {
  const metadata = at(template, 'metadata');
  const spec = at(template, 'spec');
  // Names of shapes may be those of templates; what a pod may not run with here is not what this is about.
  const { name: _name, namespace: _namespace, ...rest } = isJson(metadata) ? metadata : {};
  const own = at(rest, 'labels');
  try {
    return await stage.createPod(
      {
        metadata: { ...rest, labels: { ...(isJson(own) ? own : {}), ...labels } },
        spec: { restartPolicy: 'Always', ...(isJson(spec) ? spec : {}), serviceAccountName: 'default' },
      },
      '?dryRun=All',
    );
  } catch (error) {
    if (error instanceof ApiRefusal) return error.message;
    throw error;
  }
}

/** Whether all that `wanted` says is in `found`, which the API server may have added defaults to. */
function missing(wanted: unknown, found: unknown, path: string): string[] {
  if (Array.isArray(wanted)) {
    const list = Array.isArray(found) ? found : [];
    return wanted.flatMap((each, index) => missing(each, list[index], `${path}[${index}]`));
  }
  if (isJson(wanted))
    return Object.keys(wanted).flatMap((key) => missing(wanted[key], at(found, key), `${path}.${key}`));
  // `1000m` is stored as `1`.
  const amount = /\.resources\.(requests|limits)\./.test(path) ? parseQuantity(String(wanted)) : null;
  if (amount !== null && amount === parseQuantity(String(found))) return [];
  // An empty text is stored as none.
  return wanted === (found ?? (wanted === '' ? '' : found))
    ? []
    : [`${path}: ${JSON.stringify(found)} in place of ${JSON.stringify(wanted)}`];
}

scenario(
  'what is injected into the shapes is taken by the API server, and is what the function makes',
  async (t, { cluster }) => {
    const stage = await WebhookStage.open(t, cluster);
    const text = await stage.api.get(`/api/v1/namespaces/${stage.system}/configmaps/${stage.name}`);
    const [document] = parseAllDocuments(textAt(text, 'data', 'injection.yaml'));
    const read = readInjectionSettings(document?.toJS());
    if ('problems' in read) throw new Error(read.problems.join('\n'));
    const counts = { injected: 0, other: 0, refused: 0 };
    for (const { name, template } of shapes()) {
      const without = await asked(stage, template, { 'carpool.dev/inject': 'false' });
      const withIt = await asked(stage, template, {});
      if (typeof without === 'string') {
        // The shape is no pod that this API server takes, with or without a sidecar.
        t.ok(typeof withIt === 'string', `${name}: refused either way`);
        counts.refused++;
        continue;
      }
      if (typeof withIt === 'string') {
        t.fail(`${name}: ${withIt}`);
        continue;
      }
      const { outcome, pod } = injectPod(template, read.settings, { version: '0.1.0', existing: 'keep' });
      if (outcome !== 'injected') {
        t.equal(isInjected(withIt), isInjected(template), `${name}: as it was`);
        counts.other++;
        continue;
      }
      counts.injected++;
      const { containers, initContainers } = Object(at(pod, 'spec'));
      const spec = { containers, ...(initContainers === undefined ? {} : { initContainers }) };
      t.same(missing(spec, at(withIt, 'spec'), 'spec'), [], `${name}: injected`);
    }
    t.comment(JSON.stringify(counts));
    t.ok(counts.injected > 40);
  },
);

scenario('a container that another webhook adds afterwards gets the variables, too', async (t, { cluster }) => {
  const stage = await WebhookStage.open(t, cluster);
  const authority = await CertificateAuthority.create('another webhook');
  const server = createServer(
    await authority.issue('another', { addresses: [cluster.hostIp] }),
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const review: unknown = JSON.parse(Buffer.concat(chunks).toString());
        const names = listAt(review, 'request', 'object', 'spec', 'containers').map((each) => textAt(each, 'name'));
        const late = { op: 'add', path: '/spec/containers/-', value: { name: 'late', image: 'none' } };
        const patch = Buffer.from(JSON.stringify([late])).toString('base64');
        const change = names.includes('late') ? {} : { patchType: 'JSONPatch', patch };
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            apiVersion: 'admission.k8s.io/v1',
            kind: 'AdmissionReview',
            response: { uid: textAt(review, 'request', 'uid'), allowed: true, ...change },
          }),
        );
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, cluster.hostIp, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  // They are called in the order of their names: this one comes after carpool's.
  const name = `later-${stage.release}`;
  t.teardown(() => stage.api.delete(`${configurations}/${name}`));
  await stage.api.create(configurations, {
    metadata: { name },
    webhooks: [
      {
        name: 'later.example.com',
        clientConfig: {
          url: `https://${cluster.hostIp}:${port}/`,
          caBundle: Buffer.from(authority.cert).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': stage.shop } },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
      },
    ],
  });
  const pod = await until('a pod with both', async () => {
    const made = await stage.createPod({});
    return objectsAt(made, 'spec', 'containers').length === 2 && made;
  });
  t.ok(isInjected(pod));
  for (const container of objectsAt(pod, 'spec', 'containers'))
    t.ok(
      objectsAt(container, 'env').some((variable) => textAt(variable, 'name') === 'HTTP_PROXY'),
      `${textAt(container, 'name')} has the variables`,
    );
  t.equal(objectsAt(pod, 'spec', 'initContainers').length, 1, 'and the sidecar is there once');
});
