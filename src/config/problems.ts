import { CarpoolError } from '../errors.ts';

/** What BSD's sysexits.h calls EX_CONFIG; `run` and `check` end with it when the configuration is refused. */
export const EXIT_CONFIG_INVALID = 78;

/** One thing that is wrong with a configuration. */
export type Problem = {
  /** Where it was written: `carpool.yaml:12:5`, `CARPOOL_POOL_MAX_IDLE`, `--set`. */
  readonly where: string;
  /** The setting, e.g. `destinations[0].pool.maxConnections`; empty where it is about the source as a whole. */
  readonly path: string;
  /** What is there and what is allowed, on one line. */
  readonly message: string;
};

/** The one line that tells a problem. */
export function showProblem(problem: Problem): string {
  // A value or a key may hold line ends; a problem must stay one line of a log.
  const line = `${problem.where}: ${problem.path === '' ? '' : `${problem.path} `}${problem.message}`;
  return line.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');
}

/** More problems than this are one mistake of another kind (a wrong file), and nobody reads them. */
const MAX_PROBLEMS = 200;

/** Whether looking for more problems is of no use. */
export function isFull(problems: readonly Problem[]): boolean {
  return problems.length > MAX_PROBLEMS;
}

/** Adds a problem, up to a bound. */
export function reportProblem(problems: Problem[], problem: Problem): void {
  if (problems.length < MAX_PROBLEMS) problems.push(problem);
  else if (problems.length === MAX_PROBLEMS)
    problems.push({ where: problem.where, path: '', message: 'and more problems' });
}

/** Every problem of a configuration at once; nothing of that configuration is used. */
export class ConfigProblems extends CarpoolError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('CONFIG_INVALID', problems.map(showProblem).join('\n'));
    this.name = 'ConfigProblems';
    this.problems = problems;
  }

  /** One line for each problem. */
  get lines(): readonly string[] {
    return this.problems.map(showProblem);
  }
}

const SHOWN = 60;

/** A raw value in an error message: short, on one line, with what looks like credentials taken out. */
export function describeRaw(raw: unknown, sensitive: boolean): string {
  if (raw === null || raw === undefined) return 'is empty';
  if (sensitive) return 'is wrong (its value is not shown)';
  if (Array.isArray(raw)) return 'is a list';
  if (typeof raw === 'object') return 'is a group of settings';
  if (typeof raw !== 'string') return `is ${String(raw)}`;
  const masked = raw.replace(/\S+/g, withoutCredentials);
  return `is ${JSON.stringify(masked.length > SHOWN ? `${masked.slice(0, SHOWN)}…` : masked)}`;
}

/** A password that was not encoded may hold anything: up to the last @ all is taken for one. */
function withoutCredentials(word: string): string {
  const at = word.lastIndexOf('@');
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(word)?.[0] ?? '';
  return at > 0 && word.slice(scheme.length, at).includes(':') ? `${scheme}***${word.slice(at)}` : word;
}
