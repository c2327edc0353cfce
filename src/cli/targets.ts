import { readToken } from '../admin/bearer-token.ts';
import { OPERATOR_URL_VARIABLE } from '../config/environment.ts';
import { flagsFrom } from '../config/flags.ts';
import { defaultConfig, loadConfig } from '../config/load.ts';
import { ConfigProblems } from '../config/problems.ts';
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
  const url = options.url ?? env[OPERATOR_URL_VARIABLE];
  if (url !== undefined && url !== '') return { kind: 'url', url, token: null };
  const { operator, control } = configuration(env);
  if (!operator.enabled && control.socket) return { kind: 'socket', path: control.socket };
  return { kind: 'url', url: `http://127.0.0.1:${operator.port}`, token: null };
}

/** The sidecar that the user named, or null: the one that the configuration is of. */
export function namedTarget(options: TargetOptions, env: Environment): Target | null {
  const named = options.socket !== undefined || options.url !== undefined || (env[OPERATOR_URL_VARIABLE] ?? '') !== '';
  return named ? readTarget(options, env) : null;
}

/** Where commands go: --socket, --url with --token-file, the configuration. */
export function controlTarget(options: TargetOptions, env: Environment): Target {
  if (options.socket !== undefined) return { kind: 'socket', path: options.socket };
  if (options.url !== undefined) return { kind: 'url', url: options.url, token: tokenFrom(options.tokenFile ?? null) };
  const { control } = configuration(env);
  if (control.socket) return { kind: 'socket', path: control.socket };
  if (control.port)
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

/** The variables that say where a sidecar is asked. */
const WHERE = /^CARPOOL_(CONTROL|OPERATOR)_/;

/**
 * The configuration that this environment names, as the sidecar beside it has it. Where it is wrong, the sidecar runs on
 * with what it had before: then what variables say of the ports and the socket counts, which win over any file.
 */
function configuration(env: Environment): Pick<Config, 'operator' | 'control'> {
  const where = Object.fromEntries(Object.entries(env).filter(([name]) => WHERE.test(name)));
  const sources = [
    { ...flagsFrom({}, env), env },
    { file: null, flags: [], env: where },
  ];
  for (const source of sources)
    try {
      return loadConfig(source).config;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
    }
  return defaultConfig();
}
