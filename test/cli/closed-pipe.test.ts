import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { scriptedSidecar } from './scripted-sidecar.ts';

const main = new URL('../../src/main.ts', import.meta.url).pathname;

t.test('a reader that has enough (| head) ends a command without a word', async (t) => {
  const sidecar = await scriptedSidecar(t);
  const destinations = Array.from({ length: 20_000 }, (_, i) => ({
    name: `a-long-name-of-a-destination-${i}.test:80`,
  }));
  sidecar.answers.set('/stats', { destinations });
  for (const argv of ['pools', 'pools --watch 0.2', 'pools --watch 0.2 -o json']) {
    const command = `{ '${process.execPath}' --no-warnings '${main}' ${argv} --url ${sidecar.url}; echo "code $?" >&2; } | head -c 40`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], { encoding: 'utf8' });
    t.equal(stdout.length, 40, argv);
    t.equal(stderr, 'code 0\n', argv);
  }
});
