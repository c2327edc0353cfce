import { dialledHost, isWildcard, showHostPattern } from '../config/addresses.ts';
import type { Config } from '../config/types.ts';
import { CliError } from './deps.ts';
import type { DoctorContext } from './doctor-finding.ts';
import { call, type Target } from './http-call.ts';
import { type JsonObject, objectAt, parseObject, textAt } from './json-reader.ts';

/** How long one look may take, in milliseconds. */
const TIMEOUT_MS = 3000;

/** What the running sidecar says of itself (`/status`), or why it says nothing. */
export type RunningSidecar =
  | { readonly kind: 'told'; readonly target: Target; readonly status: JsonObject }
  /** It has no `/status`. */
  | { readonly kind: 'old' }
  /** Somebody answers, and not as carpool does. */
  | { readonly kind: 'odd'; readonly status: number }
  | { readonly kind: 'absent'; readonly message: string }
  /** There is neither an operator port nor a control socket to ask. */
  | { readonly kind: 'nowhere' };

/** Several checks go by it, and it is asked once for all of them. */
const looks = new WeakMap<DoctorContext, Promise<RunningSidecar>>();

/** What the sidecar that runs says of itself: the one that the user named, else the one that the configuration is of. */
export function runningSidecar(context: DoctorContext): Promise<RunningSidecar> {
  const before = looks.get(context);
  if (before !== undefined) return before;
  const look = lookAt(context);
  looks.set(context, look);
  return look;
}

async function lookAt({ clock, config, named }: DoctorContext): Promise<RunningSidecar> {
  const target = named ?? targetOf(config);
  if (target === null) return { kind: 'nowhere' };
  try {
    const path = '/status?history=none';
    const { status, body } = await call(target, { method: 'GET', path, timeoutMs: TIMEOUT_MS }, clock);
    if (status === 404) return { kind: 'old' };
    const told = status === 200 ? read(body) : null;
    return told === null ? { kind: 'odd', status } : { kind: 'told', target, status: told };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { kind: 'absent', message: error.message };
  }
}

function targetOf({ operator, control }: Config): Target | null {
  if (operator.enabled && operator.port !== 0) {
    const url = `http://${showHostPattern({ host: dialledHost(operator.host), port: operator.port })}`;
    return { kind: 'url', url, token: null };
  }
  return control.socket === null ? null : { kind: 'socket', path: control.socket };
}

/** Null where it is no answer of /status. */
function read(body: string): JsonObject | null {
  try {
    const status = parseObject(body, '/status');
    return Array.isArray(status.get('findings')) ? status : null;
  } catch (error) {
    if (error instanceof CliError) return null;
    throw error;
  }
}

/**
 * The configuration with the ports that the running sidecar has: it may have another one than this command was given, and the app has
 * to reach what runs. As it is where no sidecar tells.
 */
export async function configAsRunning(context: DoctorContext): Promise<Config> {
  const { config } = context;
  const running = await runningSidecar(context);
  if (running.kind !== 'told') return config;
  const operator = running.target.kind === 'url' ? URL.parse(running.target.url) : null;
  const proxy = URL.parse(textAt(objectAt(running.status, 'sidecar'), 'proxyUrl'));
  return {
    ...config,
    ...(operator === null ? {} : { operator: { ...config.operator, ...placeOf(operator, config.operator) } }),
    ...(proxy === null ? {} : { listener: { ...config.listener, ...placeOf(proxy, config.listener) } }),
  };
}

type Place = { readonly host: string; readonly port: number };

/** Where the configuration has the same port at all addresses, or at a name, it says more than the URL. */
function placeOf(url: URL, written: Place): Place {
  const port = Number(url.port || 80);
  const known = port === written.port && (isWildcard(written.host) || written.host === 'localhost');
  return { host: known ? written.host : url.hostname.replace(/^\[|\]$/g, ''), port };
}
