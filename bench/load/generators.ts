import { runToEnd } from '../rig/children.ts';
import { benchDir } from '../rig/work-dir.ts';
import type { OpenLoopResult } from './open-loop.ts';

/** What any load generator reports. Latencies in microseconds. */
export type LoadResult = {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly errors: number;
};

export type Target = {
  readonly port: number;
  /** The request target, in absolute form for a proxy. */
  readonly target: string;
  readonly host: string;
};

export type ClosedLoop = {
  readonly connections: number;
  readonly seconds: number;
  readonly method: 'GET' | 'POST';
  readonly bodyFile: string | null;
  /** A new client connection for each request. */
  readonly close: boolean;
};

/** The result that a program prints as its last line. @throws when that is no JSON */
export function lastLine(output: string): unknown {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(line);
}

/** A number in such a result, or NaN. */
export function field(value: unknown, name: string): number {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof found === 'number' ? found : Number.NaN;
}

/** Reads the line that wrk.lua prints, and the programs in C. @throws when it is not there */
export function parseResult(output: string): LoadResult {
  const result = lastLine(output);
  const requests = field(result, 'requests');
  if (Number.isNaN(requests)) throw new Error(`the load generator printed no result: ${output.slice(-300)}`);
  return {
    requests,
    seconds: field(result, 'seconds'),
    p50Us: field(result, 'p50Us'),
    p99Us: field(result, 'p99Us'),
    errors: field(result, 'errors'),
  };
}

/** As many requests as the proxy answers: for CPU per request and throughput, not for latency. */
export async function runWrk(target: Target, load: ClosedLoop): Promise<LoadResult> {
  const seconds = Math.max(1, Math.round(load.seconds));
  const output = await runToEnd(
    {
      argv: [
        'wrk',
        '-t1',
        `-c${load.connections}`,
        `-d${seconds}s`,
        '--timeout',
        '5s',
        '-s',
        `${benchDir}load/wrk.lua`,
        `http://127.0.0.1:${target.port}/`,
      ],
      env: {
        WRK_TARGET: target.target,
        WRK_HOST: target.host,
        WRK_METHOD: load.method,
        WRK_BODY: load.bodyFile ?? '',
        WRK_CLOSE: load.close ? '1' : '',
      },
    },
    (seconds + 20) * 1000,
  );
  return parseResult(output);
}

/** GETs at a fixed rate: for latency. The generator runs in a process of its own. */
export async function runOpenLoop(
  target: Target,
  load: { readonly rate: number; readonly seconds: number; readonly connections: number },
): Promise<LoadResult & Pick<OpenLoopResult, 'lateP50Us' | 'lateP99Us'>> {
  const { rate, seconds, connections } = load;
  const options = { ...target, rate, seconds, connections };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const output = await runToEnd(
    { argv: [process.execPath, `${benchDir}load/open-loop-get.ts`, ...flags] },
    (seconds + 20) * 1000,
  );
  const result = lastLine(output);
  const answered = field(result, 'answered');
  return {
    requests: answered,
    seconds: seconds + 1,
    p50Us: field(result, 'p50Us'),
    p99Us: field(result, 'p99Us'),
    errors: field(result, 'offered') - answered,
    lateP50Us: field(result, 'lateP50Us'),
    lateP99Us: field(result, 'lateP99Us'),
  };
}
