import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { at, isJson, type Json, textAt } from '../cluster/json.ts';
import { program } from './monitoring-tools.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
export const CHART = join(ROOT, 'charts/carpool');
/** Release and namespace of these tests. */
export const RELEASE = 'carpool';
export const NAMESPACE = 'carpool-system';

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs helm to its end. */
export function helm(args: readonly string[], input = ''): Ended {
  const { status, stdout, stderr } = spawnSync(program('helm'), args, { input, encoding: 'utf8' });
  return { code: status ?? -1, stdout, stderr };
}

/** What Helm says when it refuses values; empty when it takes them. */
export function refusal(values: unknown): string {
  const { code, stderr } = template(values, []);
  return code === 0 ? '' : stderr;
}

/** The objects that the chart makes of values. @throws when Helm refuses them */
export function objects(values: unknown = {}, ...args: readonly string[]): readonly Json[] {
  const { code, stdout, stderr } = template(values, args);
  if (code !== 0) throw new Error(stderr);
  return parseObjects(stdout);
}

function template(values: unknown, args: readonly string[]): Ended {
  return helm(['template', RELEASE, CHART, '-n', NAMESPACE, '-f', '-', ...args], JSON.stringify(values));
}

/** The objects of a YAML stream. */
export function parseObjects(text: string): readonly Json[] {
  return parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter(isJson);
}

/** `Kind namespace/name` of an object; without the namespace where it has none. */
export function title(object: Json): string {
  const namespace = textAt(object, 'metadata', 'namespace');
  return `${textAt(object, 'kind')} ${namespace === '' ? '' : `${namespace}/`}${textAt(object, 'metadata', 'name')}`;
}

/** The object with that title. @throws where there is none */
export function named(all: readonly Json[], wanted: string): Json {
  const found = all.find((each) => title(each) === wanted);
  if (found === undefined) throw new Error(`no ${wanted} among ${all.map(title).join(', ')}`);
  return found;
}

/** The settings of injection as the webhook reads them. */
export function injectionText(all: readonly Json[]): string {
  return textAt(named(all, `ConfigMap ${NAMESPACE}/carpool-webhook`), 'data', 'injection.yaml');
}

/** The first container of a Deployment or Pod template. */
export function container(object: Json): Json {
  const list = at(object, 'spec', 'template', 'spec', 'containers') ?? at(object, 'spec', 'containers');
  const first: unknown = Array.isArray(list) ? list[0] : undefined;
  return isJson(first) ? first : {};
}
