import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CHART, helm, NAMESPACE, RELEASE, ROOT } from './helm.ts';

/**
 * Makes the manifests of k8s/ from the chart, for those without Helm:
 *
 *   node e2e/packaging/plain-manifests.ts
 */

const HEAD = '# Made from charts/carpool by e2e/packaging/plain-manifests.ts.\n';
/** Where the namespace's part would be; k8s/namespace has none. */
const PLACE = 'namespace';

/** Labels that only Helm has a use for. */
const HELMS = ['helm.sh/chart', 'app.kubernetes.io/managed-by'];

type Manifest = ReturnType<typeof parseAllDocuments>[number];

/** The files, by path from the root of the repository. */
export function plainManifests(): ReadonlyMap<string, string> {
  const webhook = rendered((manifest) => manifest.getIn(['metadata', 'namespace']) !== PLACE);
  const namespace = rendered((manifest) => manifest.getIn(['metadata', 'namespace']) === PLACE);
  for (const manifest of namespace) manifest.deleteIn(['metadata', 'namespace']);
  return new Map([
    ['k8s/webhook/manifests.yaml', text(webhook)],
    ['k8s/namespace/manifests.yaml', text(namespace)],
  ]);
}

function rendered(wanted: (manifest: Manifest) => boolean): Manifest[] {
  const { code, stdout, stderr } = helm([
    ...['template', RELEASE, CHART, '-n', NAMESPACE, '--set', `namespaces={${PLACE}}`],
    ...['--set', 'tests.enabled=false', '--kube-version', '1.29.0'],
  ]);
  if (code !== 0) throw new Error(stderr);
  const all = parseAllDocuments(stdout.replaceAll(/^# Source: .*\n/gm, ''))
    .filter((each) => !('empty' in each))
    .filter(wanted);
  for (const manifest of all) {
    for (const label of HELMS) manifest.deleteIn(['metadata', 'labels', label]);
  }
  return all;
}

function text(manifests: readonly Manifest[]): string {
  const options = { lineWidth: 0 };
  return HEAD + manifests.map((each) => String(each.toString(options)).replace(/^(?!---)/, '---\n')).join('');
}

if (import.meta.main) for (const [path, content] of plainManifests()) writeFileSync(join(ROOT, path), content);
