import t from 'tap';
import { injectPod, type PodObject } from '../../src/injection/inject.ts';
import type { InjectionMode } from '../../src/injection/settings.ts';
import { SETTINGS } from './pods.ts';

const keep = (pod: PodObject, mode: InjectionMode = 'native') =>
  injectPod(pod, { ...SETTINGS, mode, operatorPort: 15_191 }, { version: '1', existing: 'keep' });

/** The pod as Istio's webhook leaves it; its containers stand before carpool or elsewhere. */
function meshed(pod: PodObject, where: 'before' | 'after' | 'beside'): PodObject {
  const copy = JSON.parse(JSON.stringify(pod));
  const { spec } = copy;
  for (const each of [...(spec.initContainers ?? []), ...spec.containers])
    if (each.startupProbe !== undefined)
      each.startupProbe.httpGet = { path: `/app-health/${each.name}/startupz`, port: 15_020, scheme: 'HTTP' };
  const native = { name: 'istio-proxy', restartPolicy: 'Always' };
  if (where === 'beside') spec.containers.push({ name: 'istio-proxy' });
  else if (where === 'before') spec.initContainers.unshift({ name: 'istio-init' }, native);
  else spec.initContainers.push({ name: 'istio-init' }, native);
  return copy;
}
const probeIn = (pod: PodObject, list: 'initContainers' | 'containers'): unknown =>
  JSON.parse(JSON.stringify(pod)).spec[list].find((each: { name: string }) => each.name === 'carpool').startupProbe;
const POD = {
  spec: { containers: [{ name: 'app', image: 'shop/app:1', startupProbe: { httpGet: { path: '/', port: 80 } } }] },
};

t.test('a probe that waits for a mesh which waits for carpool is carpool’s own again', (t) => {
  const first = keep(POD).pod;
  for (const where of ['beside', 'after'] as const) {
    const { outcome, pod } = keep(meshed(first, where));
    t.equal(outcome, 'injected');
    t.match(probeIn(pod, 'initContainers'), {
      httpGet: { path: '/readyz', port: 15_191, scheme: 'HTTP' },
      periodSeconds: 1,
    });
    t.match(JSON.stringify(pod), '/app-health/app/startupz', 'the app’s stays');
    t.equal(keep(pod).pod, pod, 'and a second pass changes nothing');
  }
  t.end();
});

t.test('a probe stays as the mesh has it where the mesh starts first, or with carpool', (t) => {
  const taken = { httpGet: { path: '/app-health/carpool/startupz', port: 15_020 } };
  t.match(probeIn(keep(meshed(keep(POD).pod, 'before')).pod, 'initContainers'), taken);
  t.match(probeIn(keep(meshed(keep(POD, 'legacy').pod, 'beside'), 'legacy').pod, 'containers'), taken);
  const edited = JSON.parse(JSON.stringify(keep(POD).pod).replace('/readyz', '/livez'));
  t.equal(keep(edited).pod, edited, 'and so does one that somebody has edited');
  t.end();
});
