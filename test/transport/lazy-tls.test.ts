import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';

const run = promisify(execFile);

/** Which of Node's modules about TLS a process has loaded after it has run `code`. */
async function loaded(code: string): Promise<string[]> {
  const script = `${code}; console.log(JSON.stringify(process.moduleLoadList.filter((name) => /NativeModule (tls|internal\\/tls\\/wrap)$/.test(name))))`;
  const { stdout } = await run(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    cwd: `${import.meta.dirname}/../..`,
  });
  return JSON.parse(stdout);
}

t.test('a sidecar without TLS does not load it, and one with TLS does when it needs it', async (t) => {
  t.same(await loaded("await import('./src/app.ts')"), []);
  const use =
    "const { readTlsContext } = await import('./src/transport/tls-files.ts'); readTlsContext({ ca: null, cert: null, key: null, minVersion: 'TLSv1.2' })";
  t.not((await loaded(use)).length, 0);
});
