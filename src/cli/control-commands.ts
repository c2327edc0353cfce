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
  deps.out(`${count} connection${count === 1 ? '' : 's'} retired${idle ? '' : '; busy ones finish what they carry'}\n`);
  return EXIT.ok;
}

/** `carpool log-level LEVEL` */
export async function setLogLevel(target: Target, level: string, deps: CliDeps): Promise<number> {
  const reply = await post(target, '/log-level', { level }, deps);
  if (reply.status !== 200) throw failure(reply);
  deps.out(`log level is ${textAt(reply.fields, 'level')} until the next restart or reload\n`);
  return EXIT.ok;
}
