import t from 'tap';
import { parseAddressRange } from '../../../src/discovery/address-range.ts';
import {
  listItems,
  objectMeta,
  readService,
  readSlice,
  UnreadableObject,
} from '../../../src/discovery/kubernetes/read-objects.ts';
import { service, slice } from './kube-objects.ts';

/** As `kubectl get --raw` shows it. */
const SERVICE = JSON.parse(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"orders","namespace":"shop",
  "uid":"0d7ff0a0-52ae-4b5f-a48c-6b3a4e0e3d5c","resourceVersion":"1234","creationTimestamp":"2026-11-20T10:00:00Z",
  "managedFields":[{"manager":"kubectl","operation":"Update"}]},
  "spec":{"ports":[{"name":"http","protocol":"TCP","appProtocol":"kubernetes.io/h2c","port":80,"targetPort":"web"},
    {"name":"dns","protocol":"UDP","port":53,"targetPort":53},{"port":9000,"targetPort":9000}],
  "selector":{"app":"orders"},"clusterIP":"10.96.0.17","clusterIPs":["10.96.0.17"],"type":"ClusterIP",
  "sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"},
  "status":{"loadBalancer":{}}}`);

const SLICE = JSON.parse(`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"orders-x7k2p",
  "generateName":"orders-","namespace":"shop","uid":"9f1b","resourceVersion":"1300","generation":3,
  "labels":{"app":"orders","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io",
  "kubernetes.io/service-name":"orders"}},
  "addressType":"IPv4",
  "endpoints":[{"addresses":["10.244.1.7"],"conditions":{"ready":true,"serving":true,"terminating":false},
    "hostname":"orders-0","targetRef":{"kind":"Pod","namespace":"shop","name":"orders-0","uid":"5f1c"},
    "nodeName":"worker-1","zone":"eu-1a","hints":{"forZones":[{"name":"eu-1a"}],"forNodes":[{"name":"worker-1"}]}},
    {"addresses":["10.244.2.9","10.244.2.10"],"conditions":{"ready":false,"serving":true,"terminating":true},
    "targetRef":{"kind":"Pod","namespace":"shop","name":"orders-1","uid":"6a2d"},"nodeName":"worker-2"}],
  "ports":[{"name":"http","port":8080,"protocol":"TCP","appProtocol":"http"}]}`);

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof UnreadableObject) return error.message;
    throw error;
  }
  return 'was read';
}

/** A slice of the real shape with other endpoints. */
function sliceOf(endpoints: unknown, more: Record<string, unknown> = {}): unknown {
  return { ...SLICE, endpoints, ...more };
}

/** What is wrong with an endpoint that has `address`; empty: nothing. */
function problemsOf(address: unknown, addressType = 'IPv4'): readonly string[] | undefined {
  return readSlice(sliceOf([{ addresses: [address] }], { addressType }))?.problems;
}

t.test('a Service of the API is read', async (t) => {
  t.same(readService(SERVICE), {
    namespace: 'shop',
    name: 'orders',
    uid: '0d7ff0a0-52ae-4b5f-a48c-6b3a4e0e3d5c',
    externalName: null,
    headless: false,
    hasSelector: true,
    ports: [
      { name: 'http', port: 80, protocol: 'TCP', appProtocol: 'kubernetes.io/h2c' },
      { name: 'dns', port: 53, protocol: 'UDP', appProtocol: null },
      { name: '', port: 9000, protocol: 'TCP', appProtocol: null },
    ],
    clientIpAffinity: false,
    localOnly: false,
  });
});

t.test('headless, ExternalName, affinity and traffic policy of a Service are read', async (t) => {
  const spec = { sessionAffinity: 'ClientIP', internalTrafficPolicy: 'Local', selector: null, ports: null };
  t.match(readService(service({ name: 'db', headless: true })), { headless: true, localOnly: false });
  t.match(readService(service({ name: 'db', spec })), {
    clientIpAffinity: true,
    localOnly: true,
    hasSelector: false,
    ports: [],
  });
  t.equal(readService(service({ name: 'db', externalName: 'DB.Example.com.' })).externalName, 'db.example.com.');
  t.equal(readService(service({ name: 'db', spec: { externalName: 'left.over' } })).externalName, null);
  t.equal(readService(service({ name: 'db', spec: { selector: {} } })).hasSelector, false);
  const odd = { sessionAffinity: null, internalTrafficPolicy: null };
  t.match(readService(service({ name: 'db', spec: odd })), { clientIpAffinity: false, localOnly: false });
});

t.test('ports that a Service cannot have are left out', async (t) => {
  const ports = [
    { port: 0 },
    { port: 65_536 },
    { port: '80' },
    { port: 80.5 },
    {},
    null,
    'x',
    { name: 7, port: 65_535 },
  ];
  t.same(readService(service({ name: 'a', spec: { ports } })).ports, [
    { name: '', port: 65_535, protocol: 'TCP', appProtocol: null },
  ]);
  t.same(readService(service({ name: 'a', spec: { ports: 'many' } })).ports, []);
});

t.test('what is no Service is refused in words', async (t) => {
  t.match(
    refusal(() => readService(SLICE)),
    /kind "EndpointSlice" came where a Service was asked for/,
  );
  for (const value of [null, undefined, [], 'Service', 7])
    t.match(
      refusal(() => readService(value)),
      /came where/,
    );
  t.match(
    refusal(() => readService({ kind: 'Service' })),
    /without name or namespace/,
  );
  t.match(
    refusal(() => readService({ ...SERVICE, metadata: { name: 'orders' } })),
    /without name or namespace/,
  );
  t.match(
    refusal(() => readService({ ...SERVICE, metadata: { namespace: 'shop' } })),
    /without name or namespace/,
  );
  t.match(
    refusal(() => readService({ ...SERVICE, metadata: { namespace: 'shop', name: 'a\nb' } })),
    /without name/,
  );
  t.match(
    refusal(() => readService({ ...SERVICE, spec: null })),
    /shop\/orders has no spec/,
  );
  for (const externalName of ['', 'a b', '-a', 'x'.repeat(254), 7, undefined, '.'])
    t.match(
      refusal(() => readService(service({ name: 'a', spec: { type: 'ExternalName', externalName } }))),
      /Service shop\/a stands for .{1,80}, which is no host name/,
    );
});

t.test('a Service in a List has no kind', async (t) => {
  const { kind: _, apiVersion: __, ...item } = SERVICE;
  t.equal(readService(item).name, 'orders');
});

t.test('an EndpointSlice of the API is read', async (t) => {
  t.same(readSlice(SLICE), {
    namespace: 'shop',
    name: 'orders-x7k2p',
    service: 'orders',
    family: 4,
    ports: [{ name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' }],
    endpoints: [
      {
        address: '10.244.1.7',
        ready: true,
        serving: true,
        terminating: false,
        hostname: 'orders-0',
        nodeName: 'worker-1',
        zone: 'eu-1a',
        uid: '5f1c',
        pod: 'orders-0',
        forZones: ['eu-1a'],
        forNodes: ['worker-1'],
      },
      {
        // The first address is the one that counts.
        address: '10.244.2.9',
        ready: false,
        serving: true,
        terminating: true,
        hostname: null,
        nodeName: 'worker-2',
        zone: null,
        uid: '6a2d',
        pod: 'orders-1',
        forZones: null,
        forNodes: null,
      },
    ],
    problems: [],
  });
});

t.test('missing conditions are filled in as the API says', async (t) => {
  const cases: readonly [unknown, readonly boolean[]][] = [
    [undefined, [true, true, false]],
    [null, [true, true, false]],
    [{}, [true, true, false]],
    [{ ready: null, serving: null, terminating: null }, [true, true, false]],
    [{ ready: false }, [false, false, false]],
    [{ ready: false, serving: true }, [false, true, false]],
    [{ ready: true, serving: false }, [true, false, false]],
    [{ terminating: true }, [true, true, true]],
  ];
  for (const [conditions, expected] of cases) {
    const [one] = readSlice(sliceOf([{ addresses: ['10.0.0.1'], conditions }]))?.endpoints ?? [];
    t.same([one?.ready, one?.serving, one?.terminating], expected, JSON.stringify(conditions));
  }
});

t.test('null lists are empty, as the API server writes them', async (t) => {
  t.match(readSlice({ ...SLICE, endpoints: null, ports: null }), { endpoints: [], ports: [], problems: [] });
  const { endpoints: _, ports: __, ...bare } = SLICE;
  t.match(readSlice(bare), { endpoints: [], ports: [], problems: [] });
});

t.test('ports without a number, a name or a protocol have the defaults of the API', async (t) => {
  const ports = [
    {},
    { name: null, port: null, protocol: null, appProtocol: null },
    { name: 'a', protocol: 'UDP', port: 53 },
  ];
  t.same(readSlice({ ...SLICE, ports })?.ports, [
    { name: '', port: null, protocol: 'TCP', appProtocol: null },
    { name: '', port: null, protocol: 'TCP', appProtocol: null },
    { name: 'a', port: 53, protocol: 'UDP', appProtocol: null },
  ]);
});

t.test('a slice of names, of no Service, or what is no slice at all is nothing', async (t) => {
  t.equal(readSlice({ ...SLICE, addressType: 'FQDN' }), null);
  t.equal(readSlice({ ...SLICE, kind: 'Endpoints' }), null);
  t.equal(readSlice({ ...SLICE, metadata: { ...SLICE.metadata, labels: { app: 'orders' } } }), null);
  t.equal(readSlice({ ...SLICE, metadata: { ...SLICE.metadata, labels: null } }), null);
  for (const value of [null, undefined, 'x', 7, [], {}, SERVICE, { kind: 'Status', metadata: {} }])
    t.equal(readSlice(value), null, JSON.stringify(value));
});

t.test('an endpoint whose address cannot be a pod is left out, and the rest is not', async (t) => {
  const addresses = ['127.0.0.1', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255', '169.254.1.1'];
  for (const address of [
    ...addresses,
    '010.0.0.1',
    '10.1',
    'orders.example.com',
    '',
    'fd00::1',
    null,
    7,
    {},
    undefined,
  ]) {
    const facts = readSlice(sliceOf([{ addresses: [address] }, { addresses: ['10.0.0.2'] }]));
    t.same(
      facts?.endpoints.map((one) => one.address),
      ['10.0.0.2'],
      String(address),
    );
    t.equal(facts?.problems.length, 1);
  }
  for (const address of ['::1', '::', 'fe80::1', 'fd00::1%eth0', 'ff02::1', '::ffff:127.0.0.1', '10.0.0.1'])
    t.equal(problemsOf(address, 'IPv6')?.length, 1, address);
  for (const broken of [null, 'x', [], { addresses: '10.0.0.1' }, { addresses: [] }, {}])
    t.match(readSlice(sliceOf([broken])), { endpoints: [], problems: [/^(?:an endpoint is|address nothing)/] });
});

t.test('the words say which address is wrong and why', async (t) => {
  t.same(problemsOf('127.0.0.1'), ['address 127.0.0.1 is a loopback address, which no pod has']);
  t.same(problemsOf('169.254.169.254'), ['address 169.254.169.254 is a metadata address, which no pod has']);
  t.same(problemsOf('fd00::1'), ['address "fd00::1" is no IPv4 address']);
  t.same(problemsOf('10.0.0.1', 'IPv6'), ['address "10.0.0.1" is no IPv6 address']);
  t.same(problemsOf('fd00::1', 'IPv6'), []);
});

t.test('security.allowAddresses lets its addresses through', async (t) => {
  const facts = readSlice(sliceOf([{ addresses: ['127.0.0.9'] }, { addresses: ['169.254.1.1'] }]), [
    parseAddressRange('127.0.0.0/8'),
  ]);
  t.same(
    facts?.endpoints.map((one) => one.address),
    ['127.0.0.9'],
  );
  t.equal(facts?.problems.length, 1);
});

t.test('two spellings of an IPv6 address are one address', async (t) => {
  const facts = readSlice(sliceOf([{ addresses: ['FD00:0:0::00A1'] }], { addressType: 'IPv6' }));
  t.equal(facts?.family, 6);
  t.equal(facts?.endpoints[0]?.address, 'fd00::a1');
});

t.test('ports that cannot be are left out with a word', async (t) => {
  const ports = [{ port: 0 }, { port: 65_536 }, { port: '80' }, 'x', { port: 80 }];
  const facts = readSlice({ ...SLICE, ports });
  t.same(
    facts?.ports.map(({ port }) => port),
    [80],
  );
  t.same(facts?.problems, [
    'port 0 is not between 1 and 65535',
    'port 65536 is not between 1 and 65535',
    'port "80" is not between 1 and 65535',
    'a port is "x"',
  ]);
});

t.test('lists, conditions and types that are no such are told', async (t) => {
  t.match(readSlice({ ...SLICE, endpoints: 'x' }), { endpoints: [], problems: ['its endpoints are "x" and no list'] });
  t.match(readSlice({ ...SLICE, ports: {} }), { ports: [], problems: ['its ports are an object and no list'] });
  t.match(readSlice({ ...SLICE, addressType: 'IPX' }), { endpoints: [], problems: ['its addressType is "IPX"'] });
  t.match(readSlice({ ...SLICE, addressType: undefined }), { endpoints: [], problems: ['its addressType is nothing'] });
  for (const conditions of [{ ready: 'true' }, { serving: 1 }, { terminating: {} }])
    t.match(readSlice(sliceOf([{ addresses: ['10.0.0.1'], conditions }])), {
      endpoints: [],
      problems: ['the conditions of 10.0.0.1 are neither true nor false'],
    });
});

t.test('odd fields beside the address cost the field and not the endpoint', async (t) => {
  const odd = { hostname: 7, nodeName: 'a\nb', zone: {}, targetRef: 'x', hints: { forZones: [7, {}], forNodes: 'x' } };
  t.match(readSlice(sliceOf([{ addresses: ['10.0.0.1'], ...odd }])), {
    endpoints: [
      {
        address: '10.0.0.1',
        hostname: null,
        nodeName: null,
        zone: null,
        uid: null,
        pod: null,
        forZones: null,
        forNodes: null,
      },
    ],
    problems: [],
  });
  const node = { kind: 'Node', name: 'worker-1', uid: 'n1' };
  t.match(readSlice(sliceOf([{ addresses: ['10.0.0.1'], targetRef: node }]))?.endpoints[0], { uid: 'n1', pod: null });
});

t.test('the words about a slice are few and short, whatever it holds', async (t) => {
  const problems = readSlice(sliceOf(Array(900).fill({ addresses: ['x'.repeat(100_000)] })))?.problems ?? [];
  t.equal(problems.length, 6);
  t.equal(problems[5], 'and 895 more');
  t.ok(problems.every((text) => text.length < 120));
  const long = readSlice({ ...SLICE, ports: [{ port: 'y'.repeat(100_000) }] })?.problems ?? [];
  t.ok(long.length === 1 && long.every((text) => text.length < 120));
});

t.test('a slice of more endpoints than the API allows is cut', async (t) => {
  const endpoints = Array.from({ length: 1_200 }, (_, index) => ({ addresses: [`10.1.${index >> 8}.${index & 255}`] }));
  const facts = readSlice(sliceOf(endpoints));
  t.equal(facts?.endpoints.length, 1_000);
  t.same(facts?.problems, ['it has 1200 endpoints, and 1000 is the most a slice has']);
  t.match(readSlice(sliceOf(endpoints.slice(0, 1_000))), { problems: [] });
});

t.test('a list is read, with where it goes on', async (t) => {
  const items = [slice({ service: 'orders', endpoints: ['10.0.0.1'] })];
  const list = (metadata: unknown, of: unknown = items) => ({ kind: 'EndpointSliceList', metadata, items: of });
  t.same(listItems(list({ resourceVersion: '77' })), { items, resourceVersion: '77', continueToken: null });
  t.same(listItems(list({ resourceVersion: '77', continue: '' })).continueToken, null);
  const token = 'eyJ2Ijoi'.repeat(100);
  t.equal(listItems(list({ resourceVersion: '77', continue: token })).continueToken, token);
  t.same(listItems(list({ resourceVersion: '77' }, null)).items, []);
});

t.test('what is no list is refused in words', async (t) => {
  t.match(
    refusal(() => listItems({ kind: 'Status', status: 'Failure', metadata: {} })),
    /of kind "Status" and has no items/,
  );
  t.match(
    refusal(() => listItems({ kind: 'List', items: {}, metadata: { resourceVersion: '1' } })),
    /has no items/,
  );
  t.match(
    refusal(() => listItems({ kind: 'List', items: [], metadata: {} })),
    /no resourceVersion/,
  );
  t.match(
    refusal(() => listItems({ kind: 'List', items: [], metadata: { resourceVersion: '' } })),
    /no resourceVersion/,
  );
  for (const value of [null, 'html', [], undefined])
    t.match(
      refusal(() => listItems(value)),
      /and no object/,
    );
});

t.test('what names an object is read of anything', async (t) => {
  t.same(objectMeta(SLICE), { namespace: 'shop', name: 'orders-x7k2p', resourceVersion: '1300' });
  const bookmark = {
    kind: 'EndpointSlice',
    metadata: { resourceVersion: '1400', creationTimestamp: null },
    endpoints: null,
  };
  t.same(objectMeta(bookmark), { namespace: null, name: null, resourceVersion: '1400' });
  for (const value of [
    null,
    'x',
    [],
    {},
    { metadata: null },
    { metadata: { name: 7, namespace: '', resourceVersion: 5 } },
  ])
    t.same(objectMeta(value), { namespace: null, name: null, resourceVersion: null });
});
