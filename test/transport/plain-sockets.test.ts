import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

// The short cuts of node-handle.ts may be gone in another version of Node; what they fall back to must do the same work.
for (const suite of ['bodies', 'back-pressure', 'keep-alive', 'connect', 'upgrade']) {
  t.test(`without the short cuts past Node's streams: ${suite}`, async (t) => {
    const file = fileURLToPath(new URL(`../relay/${suite}.test.ts`, import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', file], {
      env: { ...process.env, CARPOOL_PLAIN_SOCKETS: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => child.kill());
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    const [code] = await once(child, 'close');
    t.equal(
      code,
      0,
      output
        .split('\n')
        .filter((line) => line.includes('not ok'))
        .join('; '),
    );
    t.match(output, /^1\.\.[1-9]/m, 'it ran something');
  });
}
