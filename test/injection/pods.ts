import fc from 'fast-check';
import type { JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { INJECTION_DEFAULTS } from '../../src/injection/settings-schema.ts';

/** Pods of all kinds, most of which no API server would take, too. */

export const SETTINGS: InjectionSettings = { ...INJECTION_DEFAULTS, image: 'carpool:1' };

const text = fc.constantFrom('', '1', 'http://proxy.corp:3128', 'http://127.0.0.1:14140', 'localhost,127.0.0.1', '*');
const variable = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record(
      {
        name: fc.constantFrom(
          'HTTP_PROXY',
          'http_proxy',
          'HTTPS_PROXY',
          'all_proxy',
          'grpc_proxy',
          'NO_PROXY',
          'no_proxy',
          'NODE_USE_ENV_PROXY',
          'JAVA_TOOL_OPTIONS',
          'GREETING',
        ),
        value: text,
        valueFrom: fc.constant({ secretKeyRef: { name: 'proxy', key: 'url' } }),
      },
      { requiredKeys: ['name'], noNullPrototype: true },
    ),
  },
  fc.constantFrom(null, 'text', 7),
);

/** What may be there, be empty, null, or missing. */
const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 4, arbitrary }, fc.constant(null));

/** Each name once, as in a pod that the API server takes. */
const named = (names: readonly string[]): fc.Arbitrary<JsonObject[]> =>
  fc.uniqueArray(
    fc.record(
      {
        name: fc.constantFrom(...names),
        image: fc.constant('shop/app:1'),
        env: some(fc.array(variable, { maxLength: 5 })),
        envFrom: fc.constant([{ configMapRef: { name: 'shop' } }]),
        ports: fc.constantFrom([{ containerPort: 8080 }], [{ containerPort: 14_140, protocol: 'UDP' }], []),
      },
      { requiredKeys: ['name', 'image'], noNullPrototype: true },
    ),
    { maxLength: 3, selector: ({ name }) => name },
  );

const settingsAsWished = {
  'carpool.dev/mode': fc.constantFrom('native', 'legacy'),
  'carpool.dev/adopt-proxy': fc.constantFrom('true', 'false'),
  'carpool.dev/env-from': fc.constantFrom('true', 'false'),
  'carpool.dev/https-proxy': fc.constantFrom('true', 'false'),
  'carpool.dev/java': fc.constantFrom('true', 'false'),
  'carpool.dev/containers': fc.constantFrom('app', 'app,migrate', 'constructor'),
  'carpool.dev/discovery': fc.constant('by hand'),
  'carpool.dev/memory-limit': fc.constantFrom('0', '1Gi'),
  'kubectl.kubernetes.io/default-container': fc.constant('worker'),
  team: fc.constant('shop'),
};

/** A pod or a pod template. */
export const pods: fc.Arbitrary<JsonObject> = fc.record(
  {
    apiVersion: fc.constant('v1'),
    metadata: some(
      fc.record(
        {
          name: fc.constant('shop'),
          labels: some(
            fc.record(
              { app: fc.constant('shop'), 'carpool.dev/injected': fc.constantFrom('true', 'no') },
              { requiredKeys: [], noNullPrototype: true },
            ),
          ),
          annotations: some(fc.record(settingsAsWished, { requiredKeys: [], noNullPrototype: true })),
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    ),
    spec: fc.record(
      {
        containers: named(['app', 'worker', 'constructor', 'istio-proxy']).filter((list) => list.length > 0),
        initContainers: some(named(['migrate', 'toString', 'linkerd-proxy'])),
        volumes: some(fc.array(fc.constantFrom({ name: 'cache', emptyDir: {} }, { name: 'data' }), { maxLength: 2 })),
        restartPolicy: fc.constantFrom('Always', 'Never'),
        terminationGracePeriodSeconds: fc.integer({ min: 0, max: 90 }),
        resources: fc.constantFrom({}, { limits: { cpu: '1' } }),
      },
      { requiredKeys: ['containers'], noNullPrototype: true },
    ),
  },
  { requiredKeys: ['spec'], noNullPrototype: true },
);

/** The same, so that whoever writes to it fails. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) frozen(each);
    Object.freeze(value);
  }
  return value;
}
