import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { hasEnded, start, stop } from '../processes.ts';
import type { ImageArchive } from './image-archive.ts';

export type ContainerOptions = {
  /** Instead of the image's CMD. */
  readonly args?: readonly string[];
  /** Variables besides the image's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the image's user. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Files of the machine, by the path at which the container sees them. */
  readonly files?: Readonly<Record<string, string>>;
  /** Text of /etc/carpool/carpool.yaml. */
  readonly settings?: string;
};

/** How a program inside has ended. */
export type Exec = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

const MEMORY_LIMIT = 256 << 20;
let made = 0;
let unpacked: string | null = null;

/** Why no container can be run, or false. */
export function noContainers(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'containers need Linux and root';
  if (spawnSync('runc', ['--version']).status !== 0) return 'runc is not installed';
  return false;
}

/**
 * A container of the image by runc, as an injected pod has it: a read-only root, no capability, no new privileges, 256 MiB.
 * It has the machine's network, so that it reaches servers of the test on loopback.
 */
export class Container {
  /** The log so far: what stands on standard output and standard error. */
  log = '';
  readonly #child: ChildProcess;
  readonly #id: string;
  readonly #state: string;

  private constructor(child: ChildProcess, id: string, state: string) {
    this.#child = child;
    this.#id = id;
    this.#state = state;
    child.stdout?.on('data', (bytes: Buffer) => {
      this.log += bytes.toString();
    });
  }

  /** It ends when the test does. */
  static start(t: Test, image: ImageArchive, options: ContainerOptions = {}): Container {
    const folder = mkdtempSync(join(tmpdir(), 'carpool-image-'));
    made += 1;
    const id = `carpool-image-${process.pid}-${made}`;
    // As the kubelet makes an emptyDir: everybody may write.
    mkdirSync(join(folder, 'run'));
    chmodSync(join(folder, 'run'), 0o777);
    writeFileSync(join(folder, 'carpool.yaml'), options.settings ?? '{}');
    writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost\n127.0.0.1 only-in-hosts.test\n');
    writeFileSync(join(folder, 'config.json'), JSON.stringify(bundle(folder, id, image, options)));
    const state = join(folder, 'state');
    const child = start(['runc', '--root', state, 'run', '--bundle', folder, id], { log: join(folder, 'stderr') });
    const container = new Container(child, id, state);
    // Killing runc leaves its container running.
    const remove = (): void => {
      spawnSync('runc', ['--root', state, 'delete', '--force', id]);
      rmSync(folder, { recursive: true, force: true });
    };
    process.once('exit', remove);
    t.teardown(async () => {
      remove();
      process.off('exit', remove);
      await container.ended();
    });
    return container;
  }

  /** The first line of the log in which `pattern` stands. @throws when the container ends before */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.log.split('\n').find((line) => pattern.test(line));
      if (found !== undefined) return found;
      const output = this.#child.stdout;
      if (hasEnded(this.#child) || output === null) throw new Error(`ended without ${pattern}: ${this.complaints()}`);
      const ended = new AbortController();
      await Promise.race([
        once(output, 'data', { signal: ended.signal }),
        once(this.#child, 'exit', { signal: ended.signal }),
      ]).finally(() => ended.abort());
    }
  }

  /** What the sidecar says when it takes requests. */
  async ready(): Promise<{ readonly port: number; readonly operator: string; readonly readyMs: number }> {
    const said = JSON.parse(await this.line(/"msg":"ready"/));
    return { port: said.listener.port, operator: `http://127.0.0.1:${said.operator.port}`, readyMs: said.readyMs };
  }

  /** Runs a program inside, as `kubectl exec` does. */
  exec(...argv: readonly string[]): Exec {
    const { status, stdout, stderr } = spawnSync('runc', ['--root', this.#state, 'exec', this.#id, ...argv], {
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  }

  /** Of the first process inside, as the machine sees it: a line of /proc/PID/status. */
  status(field: string): string {
    const { stdout } = spawnSync('runc', ['--root', this.#state, 'state', this.#id], { encoding: 'utf8' });
    const { pid } = JSON.parse(stdout);
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  }

  /** Bytes that its control group holds: all, and without the files in the page cache. */
  memory(): { readonly usage: number; readonly anonymous: number } {
    const v1 = `/sys/fs/cgroup/memory/${this.#id}`;
    const [folder, usage, field] = existsSync(v1)
      ? [v1, 'memory.usage_in_bytes', 'rss']
      : [`/sys/fs/cgroup/${this.#id}`, 'memory.current', 'anon'];
    const stat = readFileSync(join(folder, 'memory.stat'), 'utf8');
    return {
      usage: Number(readFileSync(join(folder, usage), 'utf8')),
      anonymous: Number(new RegExp(`^${field} (\\d+)$`, 'm').exec(stat)?.[1]),
    };
  }

  /** What stands on standard error. */
  complaints(): string {
    return readFileSync(join(this.#state, '../stderr'), 'utf8');
  }

  /** SIGTERM, and waits for the end. @returns the exit code of the program inside */
  async stop(): Promise<number | null> {
    await stop(this.#child);
    return this.#child.exitCode;
  }

  /** Waits for a program that ends by itself. */
  async ended(): Promise<number | null> {
    if (!hasEnded(this.#child)) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }
}

/** The image's root, unpacked once for all containers: none can write to it. */
function rootOf(image: ImageArchive): string {
  if (unpacked !== null) return unpacked;
  const folder = mkdtempSync(join(tmpdir(), 'carpool-image-root-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  image.unpack(folder);
  unpacked = folder;
  return folder;
}

/** The runtime's description of a container (OCI runtime specification 1.0). */
function bundle(folder: string, id: string, image: ImageArchive, options: ContainerOptions): object {
  const { config } = image.config;
  const [uid = 0, gid = 0] = config.User.split(':').map(Number);
  const none: readonly string[] = [];
  const mounted = {
    '/etc/hosts': join(folder, 'hosts'),
    '/etc/resolv.conf': '/etc/resolv.conf',
    '/etc/carpool/carpool.yaml': join(folder, 'carpool.yaml'),
    ...options.files,
  };
  return {
    ociVersion: '1.0.2',
    process: {
      user: options.user ?? { uid, gid },
      args: [...config.Entrypoint, ...(options.args ?? config.Cmd)],
      env: [...config.Env, ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)],
      cwd: '/',
      capabilities: { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none },
      noNewPrivileges: true,
    },
    root: { path: rootOf(image), readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/run/carpool', type: 'bind', source: join(folder, 'run'), options: ['bind', 'rw'] },
      ...Object.entries(mounted).map(([destination, source]) => ({
        destination,
        type: 'bind',
        source,
        options: ['bind', 'ro'],
      })),
    ],
    linux: {
      cgroupsPath: `/${id}`,
      resources: { memory: { limit: MEMORY_LIMIT } },
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/proc/keys'],
      readonlyPaths: ['/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}
