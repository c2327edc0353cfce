import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { AS_KUBERNETES } from '../../src/cli/inject-edit.ts';
import { changeStream, joinTexts } from '../../src/cli/inject-stream.ts';
import { runCli } from '../cli/run-cli.ts';
import { GOLDEN_VERSION, madeGolden, SHAPES, shapeText } from './shapes.ts';

const main = join(import.meta.dirname, '../../src/main.ts');
const POD =
  'apiVersion: v1\nkind: Pod\nmetadata:\n  name: shop\nspec:\n  containers:\n    - name: app\n      image: shop/app:1\n';

/** A file with this text, and the command's run on it. */
async function run(t: Test, text: string, ...more: readonly string[]) {
  const file = join(t.testdir({ 'in.yaml': text }), 'in.yaml');
  return { file, ...(await runCli(['inject', '-f', file, ...more], { version: GOLDEN_VERSION })) };
}

t.test('what was injected is taken out again, to the letter where nothing had to be spaced anew', async (t) => {
  for (const name of SHAPES) {
    const golden = (await madeGolden(name)).replace(/^(# .*\n)*?(?=[a-zA-Z{]|# [A-Z])/, '');
    const { code, out, err } = await run(t, golden, '--remove');
    t.equal(code, 0, name);
    t.equal(/: removed/.test(err), /injection/.test(golden) && !/by hand/.test(golden), name);
    // Two shapes come with a record of their own.
    if (!/^(injected|record)/.test(name) && !/^(anchors|merge|json)/.test(name)) {
      const plain = (text: string) =>
        text
          .replace(/ +#/g, ' #')
          .replace(/^# .*\n/gm, '')
          .replace(/[ \n]/g, '');
      t.equal(plain(out), plain(shapeText(name).replaceAll('{ ', '{').replaceAll(' }', '}')), name);
    }
  }
});

t.test('documents that are no workloads are the same bytes as before', async (t) => {
  const odd = '%YAML 1.1\n---\n"kind":   "Service"   # odd\nlist: [ 1,2,   0x10 ]\n...\n';
  const { out, err } = await run(t, `${odd}---\n${POD}---\n# end\n`);
  t.ok(out.startsWith(`${odd}---\napiVersion: v1\nkind: Pod\n`));
  t.ok(out.endsWith('---\n# end\n'));
  t.match(err, /pod\/shop: injected/);
});

t.test('without a workload the input is passed on, and that is said', async (t) => {
  const text = 'kind: Service\nmetadata: {name:   x}\n';
  const { code, out, err } = await run(t, text);
  t.strictSame([code, out], [0, text]);
  t.match(err, /there is no workload in it/);
});

t.test('values are written as they were, also those that YAML reads in another way', async (t) => {
  const { out } = await run(
    t,
    POD.replace(
      'containers:',
      'volumes: [{name: v, secret: {defaultMode: 0400}}]\n  nodeSelector: {a: yes, b: "on", c: 1.10, d: ~, e: 1_000}\n  containers:',
    ),
  );
  t.match(out, 'name: v, secret: {defaultMode: 0400}');
  t.match(out, 'nodeSelector: {a: yes, b: "on", c: 1.10, d: ~, e: 1_000}');
});

t.test('a pod with the host’s network is known by any word for true', async (t) => {
  t.match(
    (await run(t, POD.replace('containers:', 'hostNetwork: yes\n  containers:'))).err,
    /skipped \(host_network\)/,
  );
});

t.test('line ends of Windows stay', async (t) => {
  const { out } = await run(t, POD.replaceAll('\n', '\r\n'));
  t.match(out, 'kind: Pod\r\n');
  t.notMatch(out, /[^\r]\n/);
});

t.test('text that has --- in it is no new document', (t) => {
  const text = `${POD}  text: |\n    a\n    --- b\n`;
  let count = 0;
  changeStream('x', text, (workload) => {
    count++;
    return workload.template;
  });
  t.equal(count, 1);
  t.end();
});

t.test('what is no YAML is refused with its place, and nothing is written', async (t) => {
  const { code, out, err, file } = await run(t, `${POD}---\nkind: Pod\n  spec: [\n`);
  t.strictSame([code, out], [1, '']);
  t.match(err, `${file}:10:7:`);
  t.match(err, /YAML syntax/);
  t.notMatch(err, /injected/, 'and nothing is said about it');
  t.match((await runCli(['inject', '-f', '/nowhere/x.yaml'])).err, /\/nowhere\/x.yaml cannot be read \(ENOENT\)/);
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.replace(/./g, (c, i: number) => `${c}: &${c} [${Array(10).fill(`*${'abcdefg'[i]}`).join(',')}]\n`)}`;
  t.match((await run(t, bomb)).code, 1);
});

t.test('a text of nothing but comments is read as fast as any', async (t) => {
  const comments = '# a # b % c\n  \n'.repeat(3000);
  const { out } = await run(t, `${comments}---\n${POD}${comments}`);
  t.ok(out.startsWith(comments));
});

t.test('JSON stays JSON', async (t) => {
  const { out } = await run(t, JSON.stringify(parse(POD)));
  t.equal(JSON.parse(out).spec.initContainers[0].name, 'carpool');
});

t.test('several files become one stream', async (t) => {
  const dir = t.testdir({ 'a.yaml': POD.trimEnd(), 'b.yaml': `---\n${POD}`, 'c.yaml': '' });
  const files = ['a', 'b', 'c'].flatMap((name) => ['-f', join(dir, `${name}.yaml`)]);
  const { out } = await runCli(['inject', ...files]);
  t.equal(out.split(/^---$/m).length, 2);
  t.equal(joinTexts(['a: 1', '{"b": 2}\n', '---\nc: 3\n', '\n']), 'a: 1\n---\n{"b": 2}\n---\nc: 3\n');
});

t.test('settings come from the file, and options win over it', async (t) => {
  const dir = t.testdir({
    'in.yaml': POD,
    'settings.yaml': 'image: a:1\nport: 15000\nresources: {limits: {memory: 1Gi}}\n',
  });
  const at = (...more: readonly string[]) =>
    runCli(['inject', '-f', join(dir, 'in.yaml'), '--settings', join(dir, 'settings.yaml'), ...more]);
  const { out } = await at(
    '--image',
    'b:2',
    '--mode',
    'legacy',
    '--set-inject',
    'httpsProxy=true',
    '--set-inject',
    'resources.limits.cpu=100m',
  );
  const pod = parse(out, AS_KUBERNETES);
  const [carpool, app] = pod.spec.containers;
  t.match(carpool, { name: 'carpool', image: 'b:2', resources: { limits: { memory: '1Gi', cpu: '100m' } } });
  t.ok(
    app.env.some(
      (each: { name: string; value: string }) => each.name === 'HTTPS_PROXY' && each.value === 'http://127.0.0.1:15000',
    ),
  );
  const one = await runCli(['inject', '-f', join(dir, 'in.yaml'), '--set-inject', 'resources.limits.cpu=100m']);
  const { resources } = parse(one.out, AS_KUBERNETES).spec.initContainers[0];
  t.strictSame(resources.limits, { memory: '256Mi', cpu: '100m' });
  t.match((await runCli(['inject', '-f', join(dir, 'in.yaml')], { version: '7.8.9' })).out, 'image: carpool:7.8.9');
});

t.test('wrong settings end with 78, wrong options with 64', async (t) => {
  const dir = t.testdir({ 'in.yaml': POD, 'wrong.yaml': 'prot: 1\n', 'syntax.yaml': 'a: [\n', 'list.yaml': '[]\n' });
  const at = (...more: readonly string[]) => runCli(['inject', '-f', join(dir, 'in.yaml'), ...more]);
  for (const [more, code, words] of [
    [['--settings', join(dir, 'wrong.yaml')], 78, /wrong.yaml: prot: is no setting; did you mean port/],
    [['--settings', join(dir, 'syntax.yaml')], 78, /syntax.yaml:2:1: YAML syntax/],
    [['--settings', join(dir, 'list.yaml')], 78, /must be a group of settings/],
    [['--settings', join(dir, 'nowhere.yaml')], 78, /there is no such file/],
    [['--set-inject', 'port=x'], 78, /port: is "x"/],
    [['--set-inject', 'port'], 64, /must be path=value/],
    [['--mode', 'auto'], 64, /Allowed choices are native, legacy/],
  ] as const) {
    const run = await at(...more);
    t.strictSame([run.code, run.out], [code, ''], more.join(' '));
    t.match(run.err, words);
  }
});

t.test('injected twice is injected once, to the byte, and taken out again it is what it was', async (t) => {
  const once = await run(t, POD);
  t.equal((await run(t, once.out)).out, once.out);
  t.equal((await run(t, once.out, '--remove')).out, POD);
});

t.test('standard input is read where no file is named', (t) => {
  const child = (args: readonly string[], input: string) =>
    spawnSync(process.execPath, ['--no-warnings', main, 'inject', ...args], { input, encoding: 'utf8' });
  const piped = child([], POD);
  t.equal(piped.status, 0);
  t.match(piped.stdout, 'name: carpool');
  t.match(piped.stderr, /pod\/shop: injected/);
  t.match(child(['-f', '-'], 'a: [').stderr, /standard input:1:5: YAML syntax/);
  t.end();
});

t.test('a container of somebody else’s is not removed', async (t) => {
  const own = POD.replace('name: app', 'name: carpool');
  const { out, err } = await run(t, own, '--remove');
  t.equal(out, own);
  t.match(err, /its carpool container has no record/);
});
