import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { AS_KUBERNETES } from '../../src/cli/inject-edit.ts';
import { joinTexts } from '../../src/cli/inject-stream.ts';
import { runCli } from '../cli/run-cli.ts';

/** How people write manifests, and what of that must come through `carpool inject`. */

async function run(t: Test, content: string | Uint8Array, ...more: readonly string[]) {
  const file = join(t.testdir({}), 'in.yaml');
  writeFileSync(file, content);
  return await runCli(['inject', '-f', file, ...more]);
}

const POD =
  'apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\nspec:\n  containers:\n    - name: app\n      image: shop/app:1\n';

t.test('in a list, too, comments and the writing of values stay', async (t) => {
  const list = `apiVersion: v1
kind: List
items:
  # The first.
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a} # its name
    spec:
      template:
        spec:
          containers:
            - name: app # the app
              image: 'shop/app:1'
          volumes:
            - name: keys
              secret: {secretName: keys, defaultMode: 0400}
  # No workload.
  - {apiVersion: v1, kind: Service, metadata: {name: a}}
  # The second.
  - apiVersion: v1
    kind: Pod
    metadata:
      name: b
    spec:
      containers:
        - name: app
          image: shop/app:2
`;
  const { out } = await run(t, list);
  for (const line of list.split('\n').filter((line) => line !== '' && !/secret:|items/.test(line))) t.match(out, line);
  t.match(out, 'secret: {secretName: keys, defaultMode: 0400}');
  t.equal((await run(t, out, '--remove')).out, list);
});

t.test('a comment above the first item of a list stays above that item', async (t) => {
  const init = '  initContainers:\n    # Waits for the database.\n    - name: wait\n      image: shop/wait:1\n';
  const text = POD.replace('    - name: app', '    # The app itself.\n    - name: app').replace(
    '  containers:',
    `${init}  containers:`,
  );
  for (const mode of ['native', 'legacy']) {
    const { out } = await run(t, text, '--mode', mode);
    t.match(out, '    # Waits for the database.\n    - name: wait\n', mode);
    t.match(out, '    # The app itself.\n    - name: app\n', mode);
    t.match(out, '    - name: carpool\n', mode);
    t.equal((await run(t, out, '--remove')).out, text, mode);
  }
});

t.test('what looks like a time is text, as Kubernetes reads it', async (t) => {
  const env = '      env: &env\n        - {name: AT, value: 12:30}\n        - {name: DAY, value: 2026-01-31}\n';
  const second = '    - name: second\n      image: shop/app:2\n      env: *env\n';
  const { out } = await run(t, POD + env + second);
  const { containers } = parse(out, AS_KUBERNETES).spec;
  for (const { env } of containers)
    t.match(env, [
      { name: 'AT', value: '12:30' },
      { name: 'DAY', value: '2026-01-31' },
    ]);
});

t.test('an anchor that is used often keeps its comments', async (t) => {
  const text = `${POD}      args: [&a x${', *a'.repeat(300)}] # often\n`;
  const { out, err } = await run(t, text);
  t.match(out, ', *a] # often');
  t.notMatch(err, /written anew/);
});

t.test('what is not UTF-8 is refused: it could not be passed on as it was', async (t) => {
  const utf16 = Buffer.from(`\uFEFF${POD}`, 'utf16le');
  const latin1 = Buffer.from('kind: ConfigMap\ndata: {a: "caf\u00e9"}\n', 'latin1');
  for (const bytes of [utf16, latin1]) {
    const { code, out, err } = await run(t, bytes);
    t.strictSame([code, out], [1, '']);
    t.match(err, /in.yaml is not UTF-8/);
  }
  t.match((await run(t, POD.replace('shop', 'caf\u00e9'))).out, 'caf\u00e9');
});

t.test('a byte order mark is no part of a document', async (t) => {
  t.match((await run(t, `\uFEFF${POD}`)).err, /pod\/shop: injected/);
  const { out } = await run(t, `\uFEFF${JSON.stringify(parse(POD))}`);
  t.equal(JSON.parse(out).spec.initContainers[0].name, 'carpool');
  const service = '\uFEFFkind: Service\n';
  t.equal((await run(t, service)).out, service, 'of a file that is passed on it stays');
  t.equal(joinTexts(['a: 1\n', '\uFEFF---\nb: 2\n', '\uFEFFc: 3\n']), 'a: 1\n---\nb: 2\n---\nc: 3\n');
});

t.test('every setting can be set by an option', async (t) => {
  const sets = ['env.CARPOOL_TELEMETRY_LOG_LEVEL=debug', 'resources.requests.ephemeral-storage=1Mi', 'runAsUser=null'];
  const { code, out } = await run(t, POD, ...sets.flatMap((set) => ['--set-inject', set]));
  t.equal(code, 0);
  const [carpool] = parse(out, AS_KUBERNETES).spec.initContainers;
  t.match(carpool, { resources: { requests: { cpu: '20m', 'ephemeral-storage': '1Mi' } } });
  t.match(carpool.env.at(-1), { name: 'CARPOOL_TELEMETRY_LOG_LEVEL', value: 'debug' });
  t.notOk('runAsUser' in carpool.securityContext);
  t.equal((await run(t, POD, '--set-inject', 'env.__proto__.x=1')).code, 0, 'and nothing else');
  t.notOk('x' in {});
});
