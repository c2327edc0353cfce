import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCli } from '../cli/run-cli.ts';

const ROOT = join(import.meta.dirname, '../..');
const SAMPLE = 'k8s/example/app.yaml';

t.test('of the app to try, who calls is injected, and who is called is not', async (t) => {
  const { code, out, err } = await runCli(['inject', '--strict', '-f', join(ROOT, SAMPLE)]);
  t.equal(code, 0);
  t.equal(err, 'deployment/hello: skipped (opted_out)\ndeployment/caller: injected\n');
  t.equal(out.match(/name: carpool$/gm)?.length, 1 + 1, 'the sidecar, and its ConfigMap');
});

t.test('the README and the page of the manifests name the app to try', (t) => {
  for (const page of ['README.md', 'docs/installing.md', 'k8s/README.md'])
    t.match(readFileSync(join(ROOT, page), 'utf8'), SAMPLE, page);
  t.end();
});
