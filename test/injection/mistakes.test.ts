import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCli } from '../cli/run-cli.ts';

/** What `carpool inject` says to those who give it something else than manifests, or manifests with a mistake. */

const POD =
  'apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\nspec:\n  containers:\n    - name: app\n      image: shop/app:1\n';
const WRONG = POD.replace('  name: shop', '  name: shop\n  annotations: {carpool.dev/inject: maybe}');
const ROLLOUT =
  'apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: app}]}}}\n';

async function run(t: Test, name: string, text: string, ...more: readonly string[]) {
  const file = join(t.testdir({ [name]: text }), name);
  return { file, ...(await runCli(['inject', '-f', file, ...more])) };
}

t.test('a folder is refused with what to do, the more so one of kustomize', async (t) => {
  const dir = t.testdir({ plain: { 'a.yaml': POD }, overlay: { 'kustomization.yaml': 'resources: [a.yaml]\n' } });
  const plain = await runCli(['inject', '-f', join(dir, 'plain')]);
  t.strictSame([plain.code, plain.out], [1, '']);
  t.match(plain.err, `${join(dir, 'plain')} is a folder: name its files`);
  t.notMatch(plain.err, 'kubectl');
  t.match((await runCli(['inject', '-f', join(dir, 'overlay')])).err, /kubectl kustomize \S+overlay \| carpool inject/);
});

t.test('a template of Helm is known where it is no YAML', async (t) => {
  const { code, err } = await run(t, 'app.yaml', `${POD}{{- if .Values.sidecar }}\n  more: [\n{{- end }}\n`);
  t.equal(code, 1);
  t.match(err, /YAML syntax/);
  t.match(err, /app\.yaml looks like a template of Helm: helm template RELEASE CHART \| carpool inject/);
  t.notMatch((await run(t, 'app.yaml', `${POD}  : [\n`)).err, 'helm template');
});

t.test('where there is no workload, each file is told with the kinds that it has', async (t) => {
  const dir = t.testdir({
    'a.yaml': 'kind: Service\n---\nkind: Service\n---\nkind: ConfigMap\n',
    'b.yaml': '# none\n',
  });
  const { err } = await runCli(['inject', '-f', join(dir, 'a.yaml'), '-f', join(dir, 'b.yaml')]);
  t.match(
    err,
    `${join(dir, 'a.yaml')}: there is no workload in it, only Service, ConfigMap: it is passed on as it is\n`,
  );
  t.match(err, `${join(dir, 'b.yaml')}: there is no workload in it: it is passed on as it is\n`);
});

t.test('a kustomization names its files, and is no manifest', async (t) => {
  const text = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n';
  const { err } = await run(t, 'kustomization.yaml', text);
  t.match(err, /only Kustomization.*\n.*kustomization\.yaml: a Kustomization only names.*kubectl kustomize DIR \|/);
  const plain = await run(t, 'kustomization.yaml', 'resources: [a.yaml]\n');
  t.match(plain.err, 'kubectl kustomize DIR | carpool inject', 'it need not say its kind');
});

t.test('a kind with pods that is not known is told, also beside others and in a list', async (t) => {
  const list =
    'kind: List\nitems: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: x}, spec: {template: {spec: {}}}}]\n';
  const { code, err } = await run(t, 'in.yaml', `${POD}---\n${ROLLOUT}---\n${list}`);
  t.equal(code, 0);
  t.match(err, 'pod/shop: injected');
  t.match(
    err,
    /in\.yaml: rollout\/web: unchanged: the kind Rollout of argoproj\.io\/v1alpha1 is not known here; the webhook/,
  );
  t.match(err, /in\.yaml: rollout\/x: unchanged/);
  t.notMatch(err, 'no workload');
  t.notMatch((await run(t, 'in.yaml', `${POD}---\n${ROLLOUT}`, '--remove')).err, 'webhook');
});

t.test('with --strict a workload that is skipped is an error, and nothing is written', async (t) => {
  const easy = await run(t, 'in.yaml', `${POD}---\n${WRONG}`);
  t.equal(easy.code, 0);
  t.match(easy.err, /skipped \(invalid_annotation\)/);
  const strict = await run(t, 'in.yaml', `${POD}---\n${WRONG}`, '--strict');
  t.strictSame([strict.code, strict.out], [1, '']);
  t.match(strict.err, /skipped \(invalid_annotation\)/);
  t.match(strict.err, /--strict: not every workload can be injected: nothing is written\n$/);
  const out = await run(t, 'in.yaml', WRONG.replace('maybe', '"false"'), '--strict');
  t.equal(out.code, 0, 'who has opted out is no mistake');
  t.equal((await run(t, 'in.yaml', POD, '--strict')).code, 0);
});

t.test('the values of the chart are known as such', async (t) => {
  const dir = t.testdir({
    'in.yaml': POD,
    'values.yaml': 'image: {repository: a}\nnamespaces: [shop]\ninject: {java: true}\nwebhook: {replicas: 2}\n',
    'short.yaml': 'inject: {java: true}\n',
    'image.yaml': 'image: {repository: a}\n',
  });
  for (const name of ['values', 'short', 'image']) {
    const { code, err } = await runCli(['inject', '-f', join(dir, 'in.yaml'), '--settings', join(dir, `${name}.yaml`)]);
    t.equal(code, 78);
    t.match(err, new RegExp(`${name}\\.yaml looks like the chart’s values: give its \`inject\` part, and --image\n`));
    t.equal(err.trim().split('\n').length, 1, name);
  }
});

t.test('what has no containers is unchanged, and is not called anything else', async (t) => {
  const { err } = await run(t, 'in.yaml', POD.replace(/containers:.*/s, 'containers: app\n'));
  t.match(err, 'pod/shop: unchanged\npod/shop: warning: there is no container in it\n');
});
