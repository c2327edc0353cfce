import t from 'tap';
import type { JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import { injectPod } from '../../src/injection/inject.ts';
import type { Resources } from '../../src/injection/settings.ts';
import { SETTINGS } from './pods.ts';

const BOUNDED = { limits: { cpu: '1', memory: '1Gi' } };
const OF_CARPOOL: Resources = { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '0.1', memory: '256Mi' } };

/** Whether it is said that the pod is Guaranteed no longer. */
function warns(spec: JsonObject, resources: Resources = SETTINGS.resources): boolean {
  const { outcome, warnings } = injectPod({ spec }, { ...SETTINGS, resources }, { version: '1', existing: 'keep' });
  t.equal(outcome, 'injected');
  return warnings.some((warning) => /QoS class is Guaranteed no longer/.test(warning));
}
const app = (resources?: JsonObject): JsonObject => ({
  name: 'app',
  image: 'shop/app:1',
  ...(resources === undefined ? {} : { resources }),
});

t.test('a pod that is Guaranteed is told when it is no longer', (t) => {
  const same = { requests: { cpu: '1000m', memory: '1024Mi' }, ...BOUNDED };
  for (const resources of [BOUNDED, same, { limits: { cpu: 1, memory: 1e9 } }]) {
    t.ok(warns({ containers: [app(resources)] }), JSON.stringify(resources));
    t.notOk(warns({ containers: [app(resources)] }, OF_CARPOOL), 'but not where carpool is bounded so, too');
    t.ok(warns({ containers: [app(resources)] }, { ...OF_CARPOOL, requests: { cpu: '20m' } }));
  }
  t.end();
});

t.test('a pod that was not Guaranteed is told nothing', (t) => {
  for (const resources of [
    undefined,
    { limits: { memory: '1Gi' } },
    { limits: { cpu: '0', memory: '1Gi' } },
    { ...BOUNDED, requests: { cpu: '500m' } },
    { requests: { cpu: '1', memory: '1Gi' } },
  ])
    t.notOk(warns({ containers: [app(resources)] }), JSON.stringify(resources));
  t.notOk(warns({ containers: [app(BOUNDED)], initContainers: [{ name: 'migrate' }] }));
  t.notOk(warns({ containers: [app(BOUNDED)], resources: BOUNDED }), 'nor one whose resources count as a whole');
  t.end();
});
