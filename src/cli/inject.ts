import { readFileSync, statSync } from 'node:fs';
import { parse } from 'yaml';
import { errorCode } from '../admin/listening.ts';
import { readConfigFile } from '../config/config-file.ts';
import { showProblem } from '../config/problems.ts';
import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { type Injection, injectPod } from '../injection/inject.ts';
import { PREFIX } from '../injection/names.ts';
import { hasSidecar } from '../injection/pod.ts';
import { removeInjection } from '../injection/remove.ts';
import type { InjectionSettings } from '../injection/settings.ts';
import { INJECTION_DEFAULTS, readInjectionSettings } from '../injection/settings-schema.ts';
import type { Workload } from '../injection/workloads.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import { insteadOfFolder, isChartValues, noWorkload } from './inject-advice.ts';
import { type ChangedText, changeStream, joinTexts } from './inject-stream.ts';

/** What commander made of the options of `carpool inject`. */
export type InjectOptions = {
  readonly filename?: readonly string[] | undefined;
  readonly settings?: string | undefined;
  readonly image?: string | undefined;
  readonly mode?: string | undefined;
  readonly setInject?: readonly string[] | undefined;
  readonly strict: boolean;
  readonly remove: boolean;
};

/** Manifests of a whole cluster are a few megabytes. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * `carpool inject`: manifests in, the same manifests with the sidecar in their pod templates out. Nothing is written where
 * anything cannot be read, nor where `strict` is set and a workload is skipped that has not opted out.
 * @param readInput what stands for `-`
 * @throws CliError where a file cannot be read or parsed, or the settings are wrong
 */
export async function inject(
  options: InjectOptions,
  deps: CliDeps,
  readInput: () => Promise<string> = readStandardInput,
): Promise<number> {
  const settings = settingsFor(options, deps.version);
  const lines: string[] = [];
  const say = (line: string): void => {
    lines.push(line);
  };
  let refused = false;
  const change = (workload: Workload) => {
    if (options.remove) return taken(workload, say);
    const { pod, outcome, reason } = injected(workload, settings, deps.version, say);
    refused ||= outcome === 'skipped' && reason !== 'opted_out';
    return pod;
  };
  const changed: (ChangedText & { readonly name: string })[] = [];
  for (const file of options.filename ?? ['-']) {
    const text = file === '-' ? await readInput() : readFile(file);
    const name = file === '-' ? 'standard input' : file;
    const each = changeStream(name, text, change);
    lines.push(...each.notes);
    if (!options.remove) for (const { unknown } of each.others) if (unknown !== null) say(`${name}: ${unknown}`);
    changed.push({ ...each, name });
  }
  if (changed.every(({ workloads }) => workloads === 0))
    for (const { name, others } of changed) lines.push(...noWorkload(name, others));
  const failed = options.strict && refused;
  if (failed) say('--strict: not every workload can be injected: nothing is written');
  deps.err(lines.map((line) => `${line}\n`).join(''));
  if (failed) return EXIT.failure;
  deps.out(joinTexts(changed.map(({ text }) => text)));
  return EXIT.ok;
}

function injected(
  workload: Workload,
  settings: InjectionSettings,
  version: string,
  say: (line: string) => void,
): Injection {
  const { name, template, owner } = workload;
  const injection = injectPod(template, settings, { version, existing: 'replace' });
  const { outcome, reason, warnings } = injection;
  const misplaced = [owner?.annotations, owner?.labels].flatMap((map) =>
    isJsonObject(map) ? Object.keys(map).filter((key) => key.startsWith(PREFIX)) : [],
  );
  say(`${name}: ${outcome}${reason === null ? '' : ` (${reason})`}`);
  for (const key of misplaced) say(`${name}: warning: ${key} has no effect here: it belongs to the pod template`);
  for (const warning of warnings) say(`${name}: warning: ${warning}`);
  return injection;
}

function taken({ name, template }: Workload, say: (line: string) => void): Workload['template'] {
  const pod = removeInjection(template);
  if (pod !== template) say(`${name}: removed`);
  else if (hasSidecar(template)) say(`${name}: unchanged: its carpool container has no record of an injection`);
  else say(`${name}: unchanged: nothing was injected`);
  return pod;
}

/** The settings by the file, with the options over it. */
function settingsFor(options: InjectOptions, version: string): InjectionSettings {
  const tree: Record<string, unknown> = { ...settingsFile(options.settings) };
  for (const assignment of options.setInject ?? []) {
    const [, path, value] = /^([A-Za-z][\w.-]*)=(.*)$/s.exec(assignment) ?? [];
    if (path === undefined || value === undefined)
      throw new CliError(`--set-inject ${assignment}: must be path=value, such as httpsProxy=true`, EXIT.usage);
    // One quantity is set beside the others; a group of them that a file has is taken whole.
    if (path.startsWith('resources.'))
      tree.resources = { ...INJECTION_DEFAULTS.resources, ...(isJsonObject(tree.resources) ? tree.resources : {}) };
    setAt(tree, path.split('.'), parse(value, { logLevel: 'silent' }));
  }
  if (options.image !== undefined) tree.image = options.image;
  if (options.mode !== undefined) tree.mode = options.mode;
  const read = readInjectionSettings(tree, `carpool:${version}`);
  if ('settings' in read) return read.settings;
  const where = options.settings === undefined ? '' : `${options.settings}: `;
  throw new CliError(read.problems.map((problem) => where + problem).join('\n'), EXIT.config);
}

function settingsFile(file: string | undefined): JsonObject {
  if (file === undefined) return {};
  const { tree, problems } = readConfigFile(file);
  if (problems.length > 0) throw new CliError(problems.map(showProblem).join('\n'), EXIT.config);
  if (tree === null) return {};
  if (!isJsonObject(tree)) throw new CliError(`${file}: must be a group of settings`, EXIT.config);
  if (isChartValues(tree))
    throw new CliError(`${file} looks like the chart’s values: give its \`inject\` part, and --image`, EXIT.config);
  return tree;
}

function setAt(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const inside: Record<string, unknown> = isJsonObject(tree[key]) ? { ...tree[key] } : {};
  setAt(inside, rest, value);
  tree[key] = inside;
}

function readFile(file: string): string {
  try {
    if (statSync(file).size > MOST_BYTES) throw new CliError(`${file} has over ${MOST_BYTES} bytes`);
    return textOf(file, readFileSync(file));
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (errorCode(error) === 'EISDIR') throw new CliError(insteadOfFolder(file));
    throw new CliError(`${file} cannot be read (${errorCode(error)})`);
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MOST_BYTES) throw new CliError(`standard input has over ${MOST_BYTES} bytes`);
  }
  return textOf('standard input', Buffer.concat(chunks));
}

/** What is not UTF-8 could not be passed on as it was; a shell of Windows writes UTF-16 to files. */
function textOf(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CliError(`${name} is not UTF-8`);
  }
}
