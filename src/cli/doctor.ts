import type { Environment } from '../config/environment.ts';
import { type Flag, type FlagOptions, flagsFrom } from '../config/flags.ts';
import { defaultConfig, loadConfig } from '../config/load.ts';
import { ConfigProblems, showProblem } from '../config/problems.ts';
import type { Config } from '../config/types.ts';
import { fileDescriptorLimit } from '../file-limit.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import { checkDestination, readDestination } from './doctor-destination.ts';
import { checkDns } from './doctor-dns.ts';
import { type Check, type DoctorContext, type Finding, type FindingSink, runChecks } from './doctor-finding.ts';
import { checkFleet } from './doctor-fleet.ts';
import { checkKubernetes } from './doctor-kubernetes.ts';
import { checkParentProxy } from './doctor-parent-proxy.ts';
import { environFrom, ProxyVariables, readEnviron, type VariableSource } from './doctor-proxy-variables.ts';
import { checkRunning } from './doctor-running.ts';
import { checkFileLimit, checkListener, checkOperator } from './doctor-sidecar.ts';
import { configAsRunning } from './doctor-status.ts';
import type { Format } from './show.ts';
import { printable } from './table.ts';
import { namedTarget, type TargetOptions } from './targets.ts';

/** The options of `carpool doctor`, beside those of the configuration. */
export type DoctorOptions = FlagOptions &
  Pick<TargetOptions, 'url' | 'socket'> & {
    readonly output: Format;
    /** A file with the app's variables, `-` for standard input, or undefined: this process's own. */
    readonly environ?: string | undefined;
  };

const MAX_PROBLEMS = 20;

/** `carpool doctor`: looks at everything that has to be right, and says of each what to do. 1 where something failed. */
export async function doctor(destinations: readonly string[], options: DoctorOptions, deps: CliDeps): Promise<number> {
  const configuration = read(options, deps);
  const context: DoctorContext = {
    clock: deps.clock,
    env: deps.env,
    config: configuration.config,
    version: deps.version,
    destinations,
    named: namedTarget(options, deps.env),
  };
  const findings = await runChecks(
    checks(context, configuration.tell, variablesFrom(options.environ, deps)),
    deps.clock,
  );
  if (options.output === 'json') deps.out(`${JSON.stringify(findings, null, 2)}\n`);
  else deps.out(inWords(findings));
  return findings.some(({ status }) => status === 'fail') ? EXIT.failure : EXIT.ok;
}

function checks(context: DoctorContext, tell: (findings: FindingSink) => void, variables: GivenVariables): Check[] {
  const named = context.destinations.map((text) => ({ text, read: readDestination(text) }));
  const hosts = named.flatMap(({ read }) => (read === null ? [] : [read.host]));
  const { fleet, egress } = context.config;
  const optional: Check[] = [];
  if (fleet.coordinator !== null)
    optional.push({ name: 'fleet', run: (findings, stopped) => checkFleet(context, findings, stopped) });
  if (egress.parentProxy.url !== null)
    optional.push({ name: 'parent proxy', run: (findings) => checkParentProxy(context, findings) });
  return [
    { name: 'configuration', run: tell },
    { name: 'listener', run: (findings) => checkListener(context, findings) },
    { name: 'operator port', run: (findings) => checkOperator(context, findings) },
    { name: 'running', run: (findings) => checkRunning(context, findings) },
    {
      name: 'proxy variables',
      run: (findings, stopped) => checkVariables(context, () => variables(stopped), hosts, findings),
    },
    { name: 'file limit', run: (findings) => checkFileLimit(context.config, fileDescriptorLimit(), findings) },
    { name: 'DNS', run: (findings) => checkDns(context, hosts, findings) },
    { name: 'Kubernetes', run: (findings, stopped) => checkKubernetes(context, findings, stopped) },
    ...optional,
    ...named.map(
      ({ text, read }): Check => ({
        name: text,
        run: (findings, stopped) => checkDestination(context, read, findings, stopped),
      }),
    ),
  ];
}

/** The configuration as the sidecar would have it; where it is refused, the defaults stand in for it. */
function read(options: FlagOptions, { env }: CliDeps): { config: Config; tell: (findings: FindingSink) => void } {
  const { file, fileMayBeMissing, flags } = flagsFrom(options, env);
  const check = `carpool check ${file ?? 'FILE'}`;
  try {
    const { config, warnings, provenance, text } = loadConfig({ file, fileMayBeMissing, env, flags });
    const set = [...provenance.values()].filter(({ kind }) => /^(file|environment|flag)$/.test(kind)).length;
    return {
      config,
      tell: (findings) => {
        const source = file === null ? 'no file' : text === null ? `no file at ${file}` : file;
        findings.ok(`${source}, ${set} setting${set === 1 ? '' : 's'} made, the rest by default`);
        for (const warning of warnings)
          findings.warn(
            warning,
            `Correct it; \`${check}\` shows whether it is gone, docs/configuration.md what there is.`,
          );
      },
    };
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    const standIn = withoutFile(env, flags);
    return {
      config: standIn ?? defaultConfig(),
      tell: (findings) => {
        for (const problem of error.problems.slice(0, MAX_PROBLEMS))
          findings.fail(
            showProblem(problem),
            'Correct it: carpool does not start with it. docs/configuration.md has every setting.',
          );
        findings.warn(
          `what follows goes by the default configuration${standIn === null ? '' : ', with what environment and flags set'}`,
          'Correct the configuration and run this again.',
        );
      },
    };
  }
}

/** What environment and flags set over the defaults; null where they are wrong themselves. */
function withoutFile(env: Environment, flags: readonly Flag[]): Config | null {
  try {
    return loadConfig({ file: null, env, flags }).config;
  } catch (error) {
    if (error instanceof ConfigProblems) return null;
    throw error;
  }
}

/** Where the variables are read when it is their turn. */
type GivenVariables = (stopped: AbortSignal) => VariableSource | Promise<VariableSource>;

function variablesFrom(environ: string | undefined, { env, input }: CliDeps): GivenVariables {
  if (environ === undefined) return () => ({ variables: env, own: true });
  if (environ === '-') return async (stopped) => ({ variables: environFrom(await input(stopped)), own: false });
  return () => ({ variables: readEnviron(environ), own: false });
}

async function checkVariables(
  context: DoctorContext,
  given: () => VariableSource | Promise<VariableSource>,
  hosts: readonly string[],
  findings: FindingSink,
): Promise<void> {
  try {
    const variables = await given();
    new ProxyVariables(variables, await configAsRunning(context), findings).check(hosts);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    findings.fail(
      error.message,
      'Run this as the user of the app’s process, or write what `env` prints in its container to a file and give that.',
    );
  }
}

/** A line for each finding, and one for its remedy. */
function inWords(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => printable(check).length));
  return findings
    .map(({ check, status, message, remedy, lines = [] }) => {
      const line = `${status.padEnd(4)}  ${printable(check).padEnd(width)}  ${printable(message)}\n`;
      const toType = lines.flatMap((block) => block.split('\n')).map((each) => `          ${printable(each)}\n`);
      return remedy === null ? line : `${line}      → ${printable(remedy)}\n${toType.join('')}`;
    })
    .join('');
}
