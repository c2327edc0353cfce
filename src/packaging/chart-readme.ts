import { parse } from 'yaml';
import { chartSchema } from './chart-schema.ts';
import type { Json } from './schema-parts.ts';

/** Makes charts/carpool/README.md: a written introduction, and a table of the values from the schema. */

const INTRODUCTION = `# Chart carpool

Installs what gives pods a carpool sidecar: the webhook with its certificate, a ConfigMap with the sidecars' settings, and
the right to read endpoints. [docs/installing.md](../../docs/installing.md) tells the story.

\`\`\`sh
kubectl create namespace shop
helm install carpool charts/carpool -n carpool-system --create-namespace --set 'namespaces={shop}'
kubectl label namespace shop carpool.dev/inject=enabled
kubectl -n shop rollout restart deployment,statefulset,daemonset
\`\`\`

Values that the chart does not know are refused, those of \`config\` too.

| value | default | |
|---|---|---|
`;

/** The page. `values` is the text of values.yaml, where the defaults stand. */
export function chartReadme(values: string): string {
  const defaults: unknown = parse(values);
  return `${INTRODUCTION}${rows('', chartSchema(), defaults).join('\n')}\n`;
}

/** What a parent chart passes on; nobody sets it here. */
const UNLISTED = new Set(['global', 'enabled']);
/** Shown as one value. */
const WHOLE = new Set(['config', 'resources']);

/** The rows of a group's members. A group that is empty by default is one row. */
function rows(prefix: string, schema: Json, value: unknown): string[] {
  const defaults = isGroup(value) ? value : {};
  return Object.entries(isGroup(schema.properties) ? schema.properties : {}).flatMap(([name, member]) => {
    if (!isGroup(member) || (prefix === '' && UNLISTED.has(name))) return [];
    const given = defaults[name];
    if (!WHOLE.has(name) && isGroup(member.properties) && isGroup(given) && Object.keys(given).length > 0)
      return rows(`${prefix}${name}.`, member, given);
    const shown = given === undefined || given === '' ? '' : `\`${JSON.stringify(given).replaceAll('"', '')}\``;
    return [`| \`${prefix}${name}\` | ${shown} | ${String(member.description).replaceAll('|', '\\|')} |`];
  });
}

function isGroup(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
