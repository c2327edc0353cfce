import { showDuration } from '../config/duration.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import { call, showTarget, type Target } from './http-call.ts';
import { type JsonObject, numberAt, parseObject, textAt } from './json-reader.ts';

/** A reload reads files and resolves nothing; a minute is for a node that is out of breath. */
const TIMEOUT_MS = 60_000;

type Reply = { readonly status: number; readonly fields: JsonObject };

async function post(
  target: Target,
  path: string,
  body: Readonly<Record<string, unknown>>,
  deps: CliDeps,
): Promise<Reply> {
  const { status, body: text } = await call(target, { method: 'POST', path, body, timeoutMs: TIMEOUT_MS }, deps.clock);
  return { status, fields: parseObject(text, showTarget(target)) };
}

function failure({ status, fields }: Reply): CliError {
  const words = [textAt(fields, 'message') || `the sidecar answered with status ${status}`, textAt(fields, 'hint')];
  return new CliError(words.filter((word) => word !== '').join('\n'));
}

/** `carpool reload`: prints what changed; 78 where the new configuration is refused. */
export async function reload(target: Target, deps: CliDeps): Promise<number> {
  const reply = await post(target, '/reload', {}, deps);
  const lines: unknown = reply.fields.get('lines');
  if (!Array.isArray(lines)) throw failure(reply);
  const applied = reply.fields.get('applied') === true;
  const print = applied ? deps.out : deps.err;
  for (const line of lines) print(`${String(line)}\n`);
  if (applied && lines.length === 0) print('nothing changed\n');
  return applied ? EXIT.ok : EXIT.config;
}

/** `carpool evict [DEST] [--idle]` */
export async function evict(target: Target, destination: string | null, idle: boolean, deps: CliDeps): Promise<number> {
  const body = { ...(destination === null ? {} : { destination }), idle };
  const reply = await post(target, '/evict', body, deps);
  if (reply.status !== 200) throw failure(reply);
  const count = numberAt(reply.fields, 'evicted');
  deps.out(`${connections(count)} retired${idle ? '' : '; busy ones finish what they carry'}\n`);
  return EXIT.ok;
}

/** `carpool pause DEST`: new requests wait until `resume`; saying it twice is no mistake. */
export async function pause(target: Target, destination: string, deps: CliDeps): Promise<number> {
  const changed = await steer(target, '/pause', destination, deps);
  const waitMs = numberAt(changed, 'pauseTimeoutMs');
  const held =
    waitMs === 0
      ? 'are answered 503 PAUSED at once (pool.pauseTimeout is 0)'
      : `wait up to pool.pauseTimeout (${showDuration(waitMs)})`;
  if (changed.get('changed') === true)
    deps.out(
      `${destination} is paused: running requests finish, new ones ${held}.\nLet them through again: carpool resume ${destination}\n`,
    );
  else deps.out(`${destination} was paused already\n`);
  return EXIT.ok;
}

/** `carpool resume DEST` */
export async function resume(target: Target, destination: string, deps: CliDeps): Promise<number> {
  const changed = await steer(target, '/resume', destination, deps);
  if (changed.get('changed') === true) deps.out(`${destination} is resumed: the requests that waited go first\n`);
  else deps.out(`${destination} was not paused\n`);
  return EXIT.ok;
}

/** `carpool reconnect DEST`: every connection is replaced, none is cut. */
export async function reconnect(target: Target, destination: string, deps: CliDeps): Promise<number> {
  const count = numberAt(await steer(target, '/reconnect', destination, deps), 'connections');
  if (count === 0) deps.out(`${destination} has no connection open: the next request opens one\n`);
  else deps.out(`${connections(count)} of ${destination} replaced; busy ones finish what they carry first\n`);
  return EXIT.ok;
}

async function steer(target: Target, path: string, destination: string, deps: CliDeps): Promise<JsonObject> {
  const reply = await post(target, path, { destination }, deps);
  if (reply.status !== 200) throw failure(reply);
  return reply.fields;
}

function connections(count: number): string {
  return `${count} connection${count === 1 ? '' : 's'}`;
}

/** `carpool log-level LEVEL` */
export async function setLogLevel(target: Target, level: string, deps: CliDeps): Promise<number> {
  const reply = await post(target, '/log-level', { level }, deps);
  if (reply.status !== 200) throw failure(reply);
  deps.out(`log level is ${textAt(reply.fields, 'level')} until the next restart or reload\n`);
  return EXIT.ok;
}
