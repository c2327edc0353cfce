import type { InjectionSettings } from '../../src/injection/settings.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';

const POD = { metadata: { generateName: 'app-' }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };

/** A question of an API server as JSON: may this pod be made? `changes` go over the fields of its request. */
export function reviewOf(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const request = {
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    namespace: 'shop',
    userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
    object: { apiVersion: 'v1', kind: 'Pod', ...POD },
    oldObject: null,
    dryRun: false,
    ...changes,
  };
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
}

/** What an installation says that leaves all at its default. */
export function settings(): InjectionSettings {
  const read = readInjectionSettings({ image: 'carpool:1.2.3' });
  if ('problems' in read) throw new Error(read.problems.join('\n'));
  return read.settings;
}
