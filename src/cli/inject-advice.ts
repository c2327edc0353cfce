import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { workloadsIn } from '../injection/workloads.ts';

/** What `carpool inject` says to those who give it something else than manifests. */

const KUSTOMIZATIONS = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];
/** As deep as workloads are looked for in lists. */
const DEEPEST = 4;

/** An object in a text that is no workload. */
export type OtherObject = {
  readonly kind: string;
  /** Where it seems to make pods: its name, with the kind and group that nobody knows here; else null. */
  readonly unknown: string | null;
};

/** Every object of a document that is no workload, those in lists too. */
export function othersIn(document: unknown, depth = 0): readonly OtherObject[] {
  if (!isJsonObject(document) || depth > DEEPEST) return [];
  const { kind, items, apiVersion } = document;
  if (typeof kind !== 'string')
    // A kustomization may leave out what it is.
    return Array.isArray(document.resources) ? [{ kind: 'Kustomization', unknown: null }] : [];
  if (kind.endsWith('List') && Array.isArray(items)) return items.flatMap((item) => othersIn(item, depth + 1));
  if (workloadsIn(document).length > 0) return [];
  const { name } = objectAt(document, 'metadata');
  return [
    {
      kind,
      unknown: hasTemplate(document)
        ? `${kind.toLowerCase()}/${String(name ?? '')}: unchanged: the kind ${kind} of ${String(apiVersion)} is not known here; the webhook injects its pods, where they are labelled`
        : null,
    },
  ];
}

function hasTemplate(document: JsonObject): boolean {
  return isJsonObject(objectAt(objectAt(document, 'spec'), 'template').spec);
}

/** For a file without a workload. */
export function noWorkload(file: string, others: readonly OtherObject[]): readonly string[] {
  const kinds = [...new Set(others.map(({ kind }) => kind))];
  const only = kinds.length === 0 ? '' : `, only ${kinds.join(', ')}`;
  return [
    `${file}: there is no workload in it${only}: it is passed on as it is`,
    ...(kinds.includes('Kustomization')
      ? [`${file}: a Kustomization only names files and changes: kubectl kustomize DIR | carpool inject`]
      : []),
  ];
}

/** For a folder in a file's place. */
export function insteadOfFolder(folder: string): string {
  const more = KUSTOMIZATIONS.some((name) => existsSync(join(folder, name)))
    ? `, or kubectl kustomize ${folder} | carpool inject`
    : '';
  return `${folder} is a folder: name its files${more}`;
}

/** A line for a text that is no YAML, where it is a template; empty for others. */
export function adviceForTemplate(file: string, text: string): string {
  return /\{\{-?\s*(\.|\$|\/\*|(include|template|if|range|with|define|end|else|toYaml|tpl)\b)/.test(text)
    ? `\n${file} looks like a template of Helm: helm template RELEASE CHART | carpool inject`
    : '';
}

/** Whether a file of settings is the chart's values as a whole, of which `inject` is a part. */
export function isChartValues(tree: JsonObject): boolean {
  return ['inject', 'namespaces', 'webhook'].some((name) => Object.hasOwn(tree, name)) || isJsonObject(tree.image);
}
