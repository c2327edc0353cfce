import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import { reviewOf } from '../../test/webhook/reviews.ts';
import { ask } from '../../test/webhook/webhook-fixture.ts';
import { at } from '../cluster/json.ts';
import { start, stop } from '../processes.ts';
import type { Teardown } from '../teardown.ts';

const program = fileURLToPath(new URL('../../src/webhook/main.ts', import.meta.url));
const WEEKS = 90 * 86_400_000;
const ASK_EVERY_MS = 200;

/** The webhook in a process of its own, that is asked about a pod again and again. @returns the port of its metrics */
export async function startWebhook(t: Teardown): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-webhook-'));
  const { cert, key, ca } = await makeCertificates(['localhost'], Date.now(), WEEKS);
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key);
  writeFileSync(join(folder, 'injection.yaml'), stringify({ image: 'carpool:1.2.3' }));
  const argv = [process.execPath, '--no-warnings', program, '--host', '127.0.0.1', '--port', '0', '--operator-port'];
  const files = ['--settings', join(folder, 'injection.yaml'), '--certificate-dir', folder];
  const child = start([...argv, '0', ...files], { log: join(folder, 'stderr') });
  t.teardown(async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const said = await new Promise<unknown>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout ?? Readable.from([]) });
    lines.on('line', (line) => {
      if (line.includes('"listening"')) resolve(JSON.parse(line));
    });
    lines.on('close', () => reject(new Error(`the webhook ended: ${readFileSync(join(folder, 'stderr'), 'utf8')}`)));
  });
  const port = Number(at(said, 'port'));
  const question = JSON.stringify(reviewOf());
  const timer = setInterval(() => void ask(port, ca, question).catch(() => {}), ASK_EVERY_MS);
  t.teardown(() => clearInterval(timer));
  return Number(at(said, 'operatorPort'));
}
