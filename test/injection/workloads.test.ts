import t from 'tap';
import { replacedAt, workloadsIn } from '../../src/injection/workloads.ts';

const template = { spec: { containers: [] } };

t.test('each kind has its pod template where Kubernetes has it', (t) => {
  for (const [apiVersion, kind, spec, path] of [
    ['apps/v1', 'Deployment', { template }, 'spec.template'],
    ['apps/v1', 'StatefulSet', { template }, 'spec.template'],
    ['apps/v1', 'DaemonSet', { template }, 'spec.template'],
    ['apps/v1', 'ReplicaSet', { template }, 'spec.template'],
    ['v1', 'ReplicationController', { template }, 'spec.template'],
    ['batch/v1', 'Job', { template }, 'spec.template'],
    ['batch/v1', 'CronJob', { jobTemplate: { spec: { template } } }, 'spec.jobTemplate.spec.template'],
  ] as const) {
    const document = { apiVersion, kind, metadata: { name: 'shop' }, spec };
    t.match(workloadsIn(document), [{ name: `${kind.toLowerCase()}/shop`, path: path.split('.'), template }], kind);
    t.strictSame(replacedAt(document, path.split('.'), template), document);
  }
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'shop-' }, ...template };
  t.match(workloadsIn(pod), [{ name: 'pod/shop-', path: [], owner: null }]);
  t.end();
});

t.test('what only has the name of a workload is none', (t) => {
  for (const document of [
    { apiVersion: 'example.com/v1', kind: 'Deployment', spec: { template } },
    { apiVersion: 'v1', kind: 'Deployment', spec: { template } },
    { apiVersion: 'v1', kind: 'Service', spec: { template } },
    { apiVersion: 'apps/v1', kind: 'Deployment', spec: {} },
    { apiVersion: 'apps/v1', kind: 'constructor', spec: { template } },
    { kind: 'Pod' },
    { apiVersion: 'v1', kind: 'List', items: 'none' },
    null,
    'text',
    [],
  ])
    t.strictSame(workloadsIn(document), [], JSON.stringify(document));
  t.end();
});

t.test('a list has the workloads of its items, also where the items do not say what they are', (t) => {
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { template } };
  const list = { apiVersion: 'v1', kind: 'List', items: [{ kind: 'Service' }, deployment, null] };
  t.match(workloadsIn(list), [{ name: 'deployment/a', path: ['items', 1, 'spec', 'template'] }]);
  const item = { metadata: { name: 'b' }, ...template };
  const [pod] = workloadsIn({ apiVersion: 'v1', kind: 'PodList', items: [item] });
  t.match(pod, { name: 'pod/b', path: ['items', 0] });
  t.equal(pod?.template, item);
  const nested = [0, 1, 2, 3, 4, 5].reduce<unknown>((inner) => ({ kind: 'List', items: [inner] }), deployment);
  t.strictSame(workloadsIn(nested), [], 'but not for ever');
  t.end();
});
