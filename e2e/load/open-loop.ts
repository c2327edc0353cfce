import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../cluster/cluster.ts';
import { firstLine, hasEnded, start } from '../processes.ts';
import { until } from '../until.ts';

const program = fileURLToPath(new URL('./load.ts', import.meta.url));
let made = 0;

/** One line of the load's ledger: a request and how it ended. */
export type ClientEntry = {
  readonly sentAt: number;
  readonly endedAt: number;
  readonly method: string;
  readonly id: string;
  /** 0: no answer. */
  readonly status: number;
  /** The code of carpool's error, or `-`. */
  readonly code: string;
  /** Who answered, or `-`. */
  readonly origin: string;
  /** Who was asked. */
  readonly host: string;
};

export type LoadOptions = {
  readonly proxyPort: number;
  readonly hosts: readonly string[];
  /** Requests per second. */
  readonly rate: number;
  /** Share of POSTs, 0–1. */
  readonly postShare: number;
  /** Added to each path, such as `?delay=2000`. */
  readonly query?: string;
};

/** A load that runs in a process of its own until it is ended. */
export class OpenLoop {
  readonly #child: ChildProcess;
  readonly #file: number;
  readonly #entries: ClientEntry[] = [];
  #offset = 0;

  private constructor(child: ChildProcess, ledger: string) {
    this.#child = child;
    this.#file = openSync(ledger, 'r');
  }

  static async start(cluster: Cluster, options: LoadOptions): Promise<OpenLoop> {
    const prefix = `${process.pid}-${++made}`;
    const ledger = cluster.file(`logs/load-${prefix}.ledger`);
    writeFileSync(ledger, '');
    const { proxyPort, rate, postShare, query = '', hosts } = options;
    const child = start(
      [process.execPath, program, String(proxyPort), ledger, String(rate), String(postShare), prefix, query, ...hosts],
      { log: cluster.file('logs/load.log') },
    );
    await firstLine(child);
    return new OpenLoop(child, ledger);
  }

  /** What has ended so far. */
  entries(): readonly ClientEntry[] {
    const bytes = Buffer.alloc(1 << 20);
    for (;;) {
      const length = readSync(this.#file, bytes, 0, bytes.length, this.#offset);
      const whole = bytes.subarray(0, length).lastIndexOf('\n') + 1;
      if (whole === 0) return this.#entries;
      this.#offset += whole;
      for (const line of bytes.toString('utf8', 0, whole - 1).split('\n')) this.#entries.push(clientEntry(line));
    }
  }

  /** Waits until so many more requests have ended. */
  async more(count: number): Promise<void> {
    const wanted = this.entries().length + count;
    await until(`${count} more requests`, () => this.entries().length >= wanted, 60_000);
  }

  /** No further request; resolves with all of them when the last has ended. */
  async end(): Promise<readonly ClientEntry[]> {
    if (!hasEnded(this.#child)) {
      const gone = once(this.#child, 'exit');
      this.#child.stdin?.end();
      await gone;
    }
    return this.entries();
  }
}

/** A line of the ledger that requests.ts writes. */
export function clientEntry(line: string): ClientEntry {
  const [sentAt, endedAt, method = '', id = '', status, code = '', origin = '', host = ''] = line.split(' ');
  return {
    sentAt: Number(sentAt),
    endedAt: Number(endedAt),
    method,
    id,
    status: Number(status),
    code,
    origin,
    host,
  };
}
