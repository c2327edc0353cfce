import { readToken } from '../admin/bearer-token.ts';
import { flagsFrom } from '../config/flags.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/types.ts';
import { CliError } from './deps.ts';
import type { Target } from './http-call.ts';

/** How the user said where the sidecar is. */
export type TargetOptions = {
  readonly url?: string;
  readonly socket?: string;
  readonly tokenFile?: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Where /stats and /readyz are read: --socket, --url, CARPOOL_OPERATOR_URL, the configuration, the default port. */
export function readTarget(options: TargetOptions, env: Environment): Target {
  if (options.socket !== undefined) return { kind: 'socket', path: options.socket };
  const url = options.url ?? env.CARPOOL_OPERATOR_URL;
  if (url !== undefined && url !== '') return { kind: 'url', url, token: null };
  const operator = configuration(env)?.operator;
  if (operator?.enabled === false) {
    const control = configuration(env)?.control.socket;
    if (control) return { kind: 'socket', path: control };
  }
  return { kind: 'url', url: `http://127.0.0.1:${operator?.port ?? 14191}`, token: null };
}

/** Where commands go: --socket, --url with --token-file, the configuration. */
export function controlTarget(options: TargetOptions, env: Environment): Target {
  if (options.socket !== undefined) return { kind: 'socket', path: options.socket };
  if (options.url !== undefined) return { kind: 'url', url: options.url, token: tokenFrom(options.tokenFile ?? null) };
  const control = configuration(env)?.control;
  if (control?.socket) return { kind: 'socket', path: control.socket };
  if (control?.port)
    return {
      kind: 'url',
      url: `http://127.0.0.1:${control.port}`,
      token: tokenFrom(options.tokenFile ?? control.tokenFile),
    };
  throw new CliError('the configuration has no control socket: set control.socket, or say where it is with --socket');
}

function tokenFrom(file: string | null): string | null {
  if (file === null) return null;
  const token = readToken(file);
  if ('problem' in token) throw new CliError(token.problem);
  return token.token;
}

/** The configuration that this environment names, as the sidecar beside it has it; null where it cannot be read. */
function configuration(env: Environment): Config | null {
  try {
    return loadConfig({ ...flagsFrom({}, env), env }).config;
  } catch {
    return null;
  }
}
