import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, stop } from '../processes.ts';
import { type Started, whenReady } from '../sidecar/when-ready.ts';
import type { Teardown } from '../teardown.ts';
import { BUNDLE } from './bundle.ts';

export type RealSidecarOptions = {
  /** Further lines of its configuration, YAML. */
  readonly yaml?: string;
  /** 0: any free one. */
  readonly operatorPort?: number;
};

/** The sidecar as it is shipped, in a process of its own, on free ports of 127.0.0.1. It ends with the test at the latest. */
export class RealSidecar {
  readonly port: number;
  readonly operatorPort: number;
  /** Where its status page is. */
  readonly url: string;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { proxy, operator }: Started) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.port = proxy;
    this.operatorPort = operator;
    this.url = `http://127.0.0.1:${operator}/`;
  }

  static async start(t: Teardown, { yaml = '', operatorPort = 0 }: RealSidecarOptions = {}): Promise<RealSidecar> {
    const folder = mkdtempSync(join(tmpdir(), 'carpool-page-'));
    const file = join(folder, 'carpool.yaml');
    writeFileSync(
      file,
      `listener: { port: 0 }
operator: { host: 127.0.0.1, port: ${operatorPort} }
control: { socket: ${join(folder, 'control.sock')} }
security: { allowAddresses: [127.0.0.0/8] }
${yaml}`,
    );
    const argv = [process.execPath, BUNDLE, 'run', '--config', file];
    const child = start(argv, { log: join(folder, 'stderr'), env: { NODE_ENV: 'production' } });
    t.teardown(async () => {
      await stop(child, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    return new RealSidecar(child, await whenReady(child, join(folder, 'log')));
  }

  /** One GET through it, in absolute form. @returns the status of the answer */
  get(host: string, path = '/'): Promise<number> {
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: this.port,
        path: `http://${host}${path}`,
        headers: { host },
        agent: false,
      };
      const call = request(options, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      });
      call.once('error', reject);
      call.end();
    });
  }

  /** At once: nothing that it has in hand is finished. */
  async kill(): Promise<void> {
    await stop(this.#child, 'SIGKILL');
  }
}
