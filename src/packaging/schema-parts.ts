/** Pieces of a JSON Schema (draft 7) of a chart's values. */

export type Json = Readonly<Record<string, unknown>>;

const QUANTITY = '^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$';
const DNS_LABEL = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
const DNS_NAME = '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$';
const LABEL_KEY = '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$';
const LABEL_VALUE = '^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$';

/** An object that knows these members only. */
export const group = (description: string, properties: Json): Json => ({
  description,
  type: 'object',
  properties,
  additionalProperties: false,
});
export const list = (description: string, items: Json): Json => ({ description, type: 'array', items });
export const flag = (description: string): Json => ({ description, type: 'boolean' });
export const text = (description: string, more: Json = {}): Json => ({ description, type: 'string', ...more });
export const choice = (description: string, values: readonly string[]): Json => ({ description, enum: values });
export const whole = (description: string, minimum: number, maximum: number): Json => ({
  description,
  type: 'integer',
  minimum,
  maximum,
});
export const amount = (description: string, more: Json): Json => ({ description, type: 'number', ...more });
/** The name of an object; empty where it has a default. */
export const name = (description: string): Json => text(description, { pattern: `^$|${DNS_NAME}`, maxLength: 253 });
export const namespaces = (description: string): Json =>
  list(description, { type: 'string', pattern: DNS_LABEL, maxLength: 63 });
/** A duration of Prometheus; empty where it has a default. */
export const interval = (description: string): Json =>
  text(description, { pattern: '^$|^([0-9]{1,9}(ms|[smhdwy]))+$' });

export const labels = (description: string): Json => ({
  description,
  type: 'object',
  propertyNames: { pattern: LABEL_KEY },
  additionalProperties: { type: 'string', pattern: LABEL_VALUE, maxLength: 63 },
});
export const annotations = (description: string): Json => ({
  description,
  type: 'object',
  propertyNames: { pattern: LABEL_KEY },
  additionalProperties: { type: 'string' },
});

const REQUIREMENT: Json = {
  type: 'object',
  properties: {
    key: { type: 'string', pattern: LABEL_KEY },
    operator: { enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'] },
    values: { type: 'array', items: { type: 'string' } },
  },
  required: ['key', 'operator'],
  additionalProperties: false,
};
export const selector = (description: string): Json =>
  group(description, {
    matchLabels: labels('Labels with their values.'),
    matchExpressions: { type: 'array', items: REQUIREMENT },
  });

/** CPU and memory of a container. */
export function resources(description: string): Json {
  const some = (which: string): Json =>
    group(
      which,
      Object.fromEntries(
        ['cpu', 'memory', 'ephemeral-storage'].map((each) => [
          each,
          {
            anyOf: [
              { type: 'string', pattern: QUANTITY },
              { type: 'number', minimum: 0 },
            ],
          },
        ]),
      ),
    );
  return group(description, { requests: some('What is requested.'), limits: some('The most.') });
}

export const tolerations = (description: string): Json =>
  list(description, {
    type: 'object',
    properties: {
      key: { type: 'string' },
      operator: { enum: ['Exists', 'Equal'] },
      value: { type: 'string' },
      effect: { enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
      tolerationSeconds: { type: 'integer' },
    },
    additionalProperties: false,
  });

/** Inside it the API server checks. */
export const affinity = (description: string): Json =>
  group(
    description,
    Object.fromEntries(['nodeAffinity', 'podAffinity', 'podAntiAffinity'].map((each) => [each, { type: 'object' }])),
  );

/** Peers of a NetworkPolicy. */
export const peers = (description: string): Json =>
  list(description, {
    type: 'object',
    properties: {
      namespaceSelector: selector('Namespaces.'),
      podSelector: selector('Pods.'),
      ipBlock: {
        type: 'object',
        properties: { cidr: { type: 'string' }, except: { type: 'array', items: { type: 'string' } } },
        required: ['cidr'],
        additionalProperties: false,
      },
    },
    minProperties: 1,
    additionalProperties: false,
  });

export const subjects = (description: string): Json =>
  list(description, {
    type: 'object',
    properties: {
      kind: { enum: ['Group', 'User', 'ServiceAccount'] },
      name: { type: 'string', minLength: 1 },
      namespace: { type: 'string', pattern: DNS_LABEL },
      apiGroup: { enum: ['', 'rbac.authorization.k8s.io'] },
    },
    required: ['kind', 'name'],
    additionalProperties: false,
  });
