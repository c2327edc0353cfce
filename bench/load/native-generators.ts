import { type Command, runToEnd } from '../rig/children.ts';
import { neededProgram } from '../rig/native-program.ts';
import { field, type LoadResult, lastLine, parseResult, type Target } from './generators.ts';

/** What each answer is to have, or it is an error. */
type Wanted = { readonly path: string; readonly answerBytes: number };

export type Http2Load = Wanted & {
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
  readonly rate: number | null;
  readonly post: number;
  readonly grpc: boolean;
  readonly unique: boolean;
};

/** The programs end by themselves; this is for one that does not. */
const GRACE_SECONDS = 20;

function http2Command({ port, host }: Target, options: Readonly<Record<string, string | number>>): Command {
  const words = Object.entries({ port, authority: host, ...options }).map(([name, value]) => `${name}=${value}`);
  return { argv: [neededProgram('h2-load'), ...words] };
}

/** HTTP/2 requests by `h2-load`: as many as the proxy answers, or at a fixed rate. */
export async function runHttp2(
  target: Target,
  load: Http2Load,
): Promise<LoadResult & { readonly lateP99Us: number | null }> {
  const { path, connections, streams, seconds, post, rate } = load;
  const output = await runToEnd(
    http2Command(target, {
      ...{ path, connections, streams, seconds, post, bytes: load.answerBytes, rate: rate ?? 0 },
      ...{ grpc: load.grpc ? 1 : 0, unique: load.unique ? 1 : 0 },
    }),
    (seconds + GRACE_SECONDS) * 1000,
  );
  return { ...parseResult(output), lateP99Us: rate === null ? null : field(lastLine(output), 'lateP99Us') };
}

export type HeldStreams = {
  /** Streams that were open at the end. */
  readonly open: number;
  /** Streams whose answer had begun. */
  readonly heads: number;
  readonly errors: number;
};

/** Opens all streams at once and holds them for some seconds; answers get no window. */
export async function holdStreams(
  target: Target,
  load: { readonly connections: number; readonly streams: number; readonly seconds: number; readonly post: number },
): Promise<HeldStreams> {
  const command = http2Command(target, { ...load, path: '/', hold: 1 });
  const result = lastLine(await runToEnd(command, (load.seconds + GRACE_SECONDS) * 1000));
  return { open: field(result, 'open'), heads: field(result, 'heads'), errors: field(result, 'errors') };
}

/** GETs inside CONNECT by `tunnel-load`, one at a time in each tunnel. */
export async function runTunnels(
  { port, host }: Target,
  load: Wanted & { readonly connections: number; readonly seconds: number },
): Promise<LoadResult> {
  const { path, connections, seconds, answerBytes } = load;
  const options = [port, host, path, connections, seconds, answerBytes].map(String);
  const command = { argv: [neededProgram('tunnel-load'), ...options] };
  return parseResult(await runToEnd(command, (seconds + GRACE_SECONDS) * 1000));
}
