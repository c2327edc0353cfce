import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');

/** An example of the chart's values in a page of the documentation. */
export type ValuesInDocs = { readonly page: string; readonly values: Readonly<Record<string, unknown>> };

/** Keys by which a file is known to be values, and not a configuration of carpool or an object of Kubernetes. */
const SIGNS = [
  'namespaces',
  'inject',
  'webhook',
  'rbac',
  'image',
  'podMonitor',
  'prometheusRule',
  'networkPolicy',
  'config',
];

/** The YAML blocks of a page that are values of the chart; none where there is no such page. */
export function valuesIn(page: string): readonly ValuesInDocs[] {
  const path = join(ROOT, page);
  if (!existsSync(path)) return [];
  return [...readFileSync(path, 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)].flatMap(([, text = '']) => {
    const values: unknown = parse(text);
    if (typeof values !== 'object' || values === null || Array.isArray(values)) return [];
    const names = Object.keys(values);
    const known = names.length > 0 && names.some((name) => SIGNS.includes(name)) && !('apiVersion' in values);
    return known ? [{ page, values: { ...values } }] : [];
  });
}
