import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Cluster } from '../cluster/cluster.ts';
import { Kubectl } from './kubectl.ts';

/** Has the API server know the objects of cert-manager and the Prometheus operator, until the test has ended. */
export function installCrds(t: Test, cluster: Cluster): void {
  const kubectl = new Kubectl(cluster);
  const { status, stdout, stderr } = spawnSync(join(import.meta.dirname, 'crds/crds.sh'), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`no CRDs: ${stderr}`);
  const crds = stdout
    .trim()
    .split('\n')
    .flatMap((file) => ['-f', file]);
  kubectl.run(['apply', '--server-side', ...crds]);
  t.teardown(() => kubectl.run(['delete', ...crds]));
  kubectl.run(['wait', '--for=condition=Established', '--timeout=30s', ...crds]);
}
