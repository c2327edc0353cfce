import { symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../../test/app/child.ts';
import { NODE_VARIABLE } from '../cluster/cluster.ts';
import { noNode } from '../node/site.ts';
import { WholeNode } from '../node/whole-node.ts';
import { run } from '../processes.ts';
import { PROJECT, pagesOf } from './pages.ts';
import { Reader, type Substitution } from './reader.ts';

/** What a page says, and what it is here: all that is not a port of this machine. */
const SUBSTITUTIONS: readonly Substitution[] = [
  // The run of the tests has made it before; here make says only that it knows how, and runs nothing.
  [/^make image$/gm, `make --dry-run -C ${PROJECT} image >/dev/null`],
];

/** The image of the sample, which cannot be pulled here, is one with the same program. */
async function giveImages(node: WholeNode): Promise<void> {
  const runtime = ['ctr', '--address', node.file('cri/containerd.sock'), '--namespace', 'k8s.io'];
  await run([
    ...runtime,
    ...['images', 'tag', '--force', 'carpool.test/clients:dev', 'docker.io/library/python:3-alpine'],
  ]);
}

/** What is left of the pages, whether they have come to their end or not. */
async function clear(test: Test, node: WholeNode): Promise<void> {
  await node
    .helm('uninstall', 'carpool', '-n', 'carpool-system')
    .catch(() => test.comment('it is uninstalled already'));
  for (const namespace of ['shop', 'carpool-system'])
    await node.kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--timeout=60s');
}

t.test('whoever follows the pages in a cluster sees what they say', { skip: noNode }, async (t) => {
  const node = new WholeNode(process.env[NODE_VARIABLE] ?? '');
  t.teardown(() => node.api.close());
  t.teardown(() => clear(t, node));
  await giveImages(node);
  const { PATH = '' } = process.env;
  const env = {
    PATH: [node.programs, dirname(process.execPath), PATH].join(delimiter),
    KUBECONFIG: node.file('conf/admin.kubeconfig'),
  };
  // Each page goes on with what the ones before have installed; getting started is the first, taking it out the last.
  for (const { name, steps } of pagesOf('cluster'))
    await t.test(name, async (t) => {
      const port = String(await freePort());
      // Of the reader's machine, not of the pod.
      const ports: readonly Substitution[] = [
        [/\b14191:14191\b/g, `${port}:14191`],
        [/(?<=\b1:)14191/g, port],
      ];
      const here = [...SUBSTITUTIONS, ...ports];
      const reader = new Reader(t, { env, substitutions: here, blockMs: 150_000 });
      for (const folder of ['charts', 'k8s', 'dist', 'dashboards'])
        symlinkSync(join(PROJECT, folder), join(reader.folder, folder));
      for (const step of steps) t.strictSame(await reader.follow(step), [], `${name}:${step.line}`);
    });
});
