import t from 'tap';
import type { ServiceFacts, SliceFacts } from '../../../src/discovery/kubernetes/objects.ts';
import { readService, readSlice } from '../../../src/discovery/kubernetes/read-objects.ts';
import {
  type SelectionInput,
  selectEndpoints,
  zoneOfNode,
} from '../../../src/discovery/kubernetes/select-endpoints.ts';
import { service, slice } from './kube-objects.ts';

type SliceInput = Parameters<typeof slice>[0];

function serviceFacts(input: Partial<Parameters<typeof service>[0]> = {}): ServiceFacts {
  return readService(service({ name: 'orders', ...input }));
}

function sliceFacts(input: Omit<SliceInput, 'service'>): SliceFacts {
  const facts = readSlice(slice({ service: 'orders', ...input }));
  if (facts === null) throw new Error('no slice');
  return facts;
}

const SERVICE = serviceFacts();
const ELSEWHERE = { nodeName: null, zone: null };

function select(slices: readonly SliceFacts[], more: Partial<SelectionInput> = {}) {
  const given = { service: SERVICE, slices, port: 80, hostname: null, locality: ELSEWHERE, preferFamily: 4 as const };
  return selectEndpoints({ ...given, ...more });
}

/** Each endpoint as `address:port condition`, in order. */
function shown(slices: readonly SliceFacts[], more: Partial<SelectionInput> = {}): string[] {
  const { endpoints } = select(slices, more);
  return [...endpoints.values()].map(({ spec, condition }) => `${spec.address}:${spec.port} ${condition}`).sort();
}

const A = '10.0.0.1';
const B = '10.0.0.2';
const C = '10.0.0.3';

t.test('an endpoint carries its address, the port of its slice, its zone and its pod', async (t) => {
  const endpoint = { address: A, uid: '5f1c', pod: 'orders-0', hostname: 'orders-0', zone: 'eu-1a' };
  const ports = [{ name: 'http', port: 8080, appProtocol: 'kubernetes.io/h2c' }];
  const { endpoints, problem } = select([sliceFacts({ endpoints: [endpoint], ports })]);
  t.equal(problem, null);
  t.same(
    [...endpoints],
    [
      [
        '10.0.0.1:8080/5f1c',
        {
          spec: {
            id: '10.0.0.1:8080/5f1c',
            address: A,
            port: 8080,
            zone: 'eu-1a',
            hostname: 'orders-0',
            pod: 'orders-0',
            appProtocol: 'kubernetes.io/h2c',
          },
          condition: 'ready',
          otherId: null,
        },
      ],
    ],
  );
  const bare = select([sliceFacts({ endpoints: [{ address: A, uid: null }] })]).endpoints.get('10.0.0.1:8080');
  t.strictSame(bare?.spec, { id: '10.0.0.1:8080', address: A, port: 8080 });
});

t.test('the conditions make the tiers of kube-proxy', async (t) => {
  const cases: readonly [boolean | null, boolean | undefined, boolean | undefined, string][] = [
    [null, undefined, undefined, 'ready'],
    [true, true, false, 'ready'],
    [true, false, false, 'ready'],
    [false, true, false, 'unready'],
    [false, false, false, 'unready'],
    [false, true, true, 'serving'],
    [false, false, true, 'leaving'],
    // publishNotReadyAddresses
    [true, false, true, 'serving'],
  ];
  for (const [ready, serving, terminating, expected] of cases) {
    const conditions = {
      ready,
      ...(serving === undefined ? {} : { serving }),
      ...(terminating ? { terminating } : {}),
    };
    const found = shown([sliceFacts({ endpoints: [{ address: A, ...conditions }] })]);
    t.same(found, [`10.0.0.1:8080 ${expected}`], JSON.stringify(conditions));
  }
});

t.test('a terminating endpoint that is published and serves is not given up for one that does not serve', async (t) => {
  const published = { ready: true, serving: false };
  const old = { ready: true, serving: true, terminating: true };
  const one = { address: A, ...old };
  const state = (...endpoints: Parameters<typeof sliceFacts>[0]['endpoints'] & object) =>
    shown([sliceFacts({ endpoints })]);
  t.same(state(one, { address: B, ...published }), ['10.0.0.1:8080 ready', '10.0.0.2:8080 ready'], 'as kube-proxy');
  t.same(state(one, { address: B }), ['10.0.0.1:8080 serving', '10.0.0.2:8080 ready'], 'drained for a better one');
  const dead = { address: A, ready: true, serving: false, terminating: true };
  t.same(state(dead, { address: B, ...published }), ['10.0.0.1:8080 serving', '10.0.0.2:8080 ready']);
});

t.test('the endpoints of a Service are those of all its slices', async (t) => {
  t.same(shown([sliceFacts({ endpoints: [A, B] }), sliceFacts({ endpoints: [C] })]), [
    '10.0.0.1:8080 ready',
    '10.0.0.2:8080 ready',
    '10.0.0.3:8080 ready',
  ]);
  t.same(select([]), { endpoints: new Map(), problem: null });
  t.same(select([sliceFacts({ endpoints: [] })]).problem, null);
});

t.test('an endpoint in two slices is one, by the better of its conditions', async (t) => {
  const ready = sliceFacts({ endpoints: [A] });
  const serving = sliceFacts({ endpoints: [{ address: A, ready: false, serving: true, terminating: true }] });
  const unready = sliceFacts({ endpoints: [{ address: A, ready: false }] });
  const leaving = sliceFacts({ endpoints: [{ address: A, ready: false, terminating: true }] });
  const order = [ready, serving, unready, leaving];
  const words = ['ready', 'serving', 'unready', 'leaving'];
  for (const [index, better] of order.entries())
    for (const worse of order.slice(index)) {
      t.same(shown([better, worse]), [`10.0.0.1:8080 ${words[index]}`]);
      t.same(shown([worse, better]), [`10.0.0.1:8080 ${words[index]}`]);
    }
});

t.test('an address that another pod has now is another endpoint', async (t) => {
  const before = { address: A, uid: 'old', ready: false, terminating: true };
  const { endpoints } = select([sliceFacts({ endpoints: [before, { address: A, uid: 'new' }] })]);
  t.same([...endpoints.keys()].sort(), ['10.0.0.1:8080/new', '10.0.0.1:8080/old']);
  t.equal(endpoints.get('10.0.0.1:8080/new')?.condition, 'ready');
  t.equal(endpoints.get('10.0.0.1:8080/old')?.condition, 'leaving');
});

t.test('the port of the Service leads by its name to the port of each slice', async (t) => {
  const two = serviceFacts({
    ports: [
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'grpc', port: 9000 },
    ],
  });
  const before = sliceFacts({
    endpoints: [A],
    ports: [
      { name: 'grpc', port: 9000 },
      { name: 'http', port: 8080 },
    ],
  });
  const after = sliceFacts({ endpoints: [B], ports: [{ name: 'http', port: 8081 }] });
  const slices = [before, after];
  t.same(shown(slices, { service: two }), ['10.0.0.1:8080 ready', '10.0.0.2:8081 ready']);
  t.same(shown(slices, { service: two, port: 9000 }), ['10.0.0.1:9000 ready'], 'a slice without it has no part');
});

t.test('a port without a name is found by having none', async (t) => {
  const nameless = serviceFacts({ ports: [{ port: 80, targetPort: 8080 }] });
  t.same(shown([sliceFacts({ endpoints: [A], ports: [{ port: 8080 }] })], { service: nameless }), [
    '10.0.0.1:8080 ready',
  ]);
  t.same(shown([sliceFacts({ endpoints: [A], ports: [{ name: 'http', port: 8080 }] })], { service: nameless }), []);
});

t.test('a slice that does not restrict the port is called at the port that the app named', async (t) => {
  t.same(shown([sliceFacts({ endpoints: [A], ports: [{ name: 'http' }] })]), ['10.0.0.1:80 ready']);
});

t.test('only TCP ports count', async (t) => {
  const dns = serviceFacts({
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, targetPort: 5353 },
    ],
  });
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 5354, protocol: 'SCTP' },
    { name: 'dns-tcp', port: 5353 },
  ];
  t.same(shown([sliceFacts({ endpoints: [A], ports })], { service: dns, port: 53 }), ['10.0.0.1:5353 ready']);
  const udp = serviceFacts({ ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] });
  t.match(select([sliceFacts({ endpoints: [A], ports })], { service: udp, port: 53 }), {
    endpoints: new Map(),
    problem: { message: 'Service shop/orders has no port 53; it has 53 (dns, UDP)', hint: /Call a TCP port/ },
  });
});

t.test('a port that the Service does not have is a problem in words', async (t) => {
  const message = (ports: Parameters<typeof service>[0]['ports']) =>
    select([sliceFacts({ endpoints: [A] })], { service: serviceFacts({ ports: ports ?? [] }), port: 8081 }).problem
      ?.message;
  const https = { name: 'https', port: 443 };
  t.equal(
    message([{ name: 'http', port: 80 }, https]),
    'Service shop/orders has no port 8081; it has 80 (http) and 443 (https)',
  );
  t.equal(
    message([{ port: 80 }, https, { name: 'x', port: 1, protocol: 'SCTP' }]),
    'Service shop/orders has no port 8081; it has 80, 443 (https) and 1 (x, SCTP)',
  );
  t.equal(message([https]), 'Service shop/orders has no port 8081; it has 443 (https)');
  t.equal(message([]), 'Service shop/orders has no port 8081; it has none at all');
  const many = Array.from({ length: 100 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
  t.match(message(many), /it has 1 \(p0\), .*, 8 \(p7\) and 92 more$/);
  t.equal(select([sliceFacts({ endpoints: [A] })], { port: 8081 }).endpoints.size, 0);
});

t.test('a port that no slice has is a problem once there are endpoints', async (t) => {
  const ports = [{ name: 'grpc', port: 9000 }];
  t.match(select([sliceFacts({ endpoints: [A], ports })]), {
    endpoints: new Map(),
    problem: { message: 'no endpoint of Service shop/orders has its port 80 (http)', hint: /targetPort/ },
  });
  t.equal(select([sliceFacts({ endpoints: [], ports })]).problem, null);
});

t.test('a headless Service is called at the port that the app named', async (t) => {
  const headless = serviceFacts({ headless: true, ports: [{ name: 'http', port: 80, targetPort: 8080 }] });
  const slices = [sliceFacts({ endpoints: [A] }), sliceFacts({ endpoints: [B], ports: [] })];
  t.same(shown(slices, { service: headless }), ['10.0.0.1:80 ready', '10.0.0.2:80 ready']);
  t.same(shown(slices, { service: headless, port: 5432 }), ['10.0.0.1:5432 ready', '10.0.0.2:5432 ready']);
  t.equal(select(slices, { service: headless, port: 5432 }).problem, null);
  t.same(shown(slices, { service: serviceFacts({ headless: true, ports: [] }) }), [
    '10.0.0.1:80 ready',
    '10.0.0.2:80 ready',
  ]);
});

t.test('appProtocol is that of the slice, else that of the Service', async (t) => {
  const protocol = (ports: SliceInput['ports'], more: Partial<SelectionInput> = {}) => {
    const found = select([sliceFacts({ endpoints: [A], ports: ports ?? [] })], more)
      .endpoints.values()
      .next().value;
    return found?.spec.appProtocol;
  };
  const told = serviceFacts({ ports: [{ name: 'http', port: 80, appProtocol: 'grpc' }] });
  t.equal(protocol([{ name: 'http', port: 8080, appProtocol: 'https' }], { service: told }), 'https');
  t.equal(protocol([{ name: 'http', port: 8080 }], { service: told }), 'grpc');
  t.equal(protocol([{ name: 'http', port: 8080 }]), undefined);
  const headless = serviceFacts({ headless: true, ports: [{ name: 'http', port: 80, appProtocol: 'grpc' }] });
  t.equal(protocol([{ name: 'http', port: 8080, appProtocol: 'https' }], { service: headless }), 'https');
  t.equal(
    protocol(
      [
        { name: 'w', port: 91, appProtocol: 'http' },
        { name: 'x', port: 90, appProtocol: 'https' },
      ],
      { service: headless, port: 90 },
    ),
    'https',
  );
  t.equal(protocol([], { service: headless }), 'grpc');
});

t.test('a hostname picks its pod, and neither hints nor traffic policy take it away', async (t) => {
  const at = (address: string, hostname: string) => ({ address, hostname, zone: 'b', nodeName: 'n2', forZones: ['b'] });
  const slices = [sliceFacts({ endpoints: [at(A, 'db-0'), at(B, 'db-1'), { address: C, forZones: ['a'] }] })];
  const headless = serviceFacts({ headless: true, spec: { internalTrafficPolicy: 'Local' } });
  const locality = { nodeName: 'n1', zone: 'a' };
  for (const subject of [headless, serviceFacts({ spec: { internalTrafficPolicy: 'Local' } })]) {
    const port = subject.headless ? 80 : 8080;
    t.same(shown(slices, { service: subject, hostname: 'db-1', locality }), [`10.0.0.2:${port} ready`]);
    t.same(select(slices, { service: subject, hostname: 'db-7', locality }), { endpoints: new Map(), problem: null });
  }
});

t.test('a dual-stack pod is one endpoint, dialled by the preferred family first', async (t) => {
  const ipv4 = sliceFacts({ endpoints: [{ address: A, uid: 'u1' }] });
  const ipv6 = sliceFacts({ endpoints: [{ address: 'fd00::1', uid: 'u1' }], addressType: 'IPv6' });
  const ids = { 4: '10.0.0.1:8080/u1', 6: '[fd00::1]:8080/u1' } as const;
  for (const slices of [
    [ipv4, ipv6],
    [ipv6, ipv4],
  ])
    for (const preferFamily of [4, 6] as const) {
      const { endpoints } = select(slices, { preferFamily });
      t.same([...endpoints.keys()], [ids[preferFamily]]);
      t.match(endpoints.get(ids[preferFamily]), {
        spec: preferFamily === 4 ? { address: A, otherAddress: 'fd00::1' } : { address: 'fd00::1', otherAddress: A },
        otherId: ids[preferFamily === 4 ? 6 : 4],
      });
    }
  t.same([...select([ipv4], { preferFamily: 6 }).endpoints.keys()], [ids[4]]);
});

t.test('a dual-stack pod has the better condition of its two families', async (t) => {
  const ready = sliceFacts({ endpoints: [{ address: A, uid: 'u1' }] });
  const serving = { address: 'fd00::1', uid: 'u1', ready: false, serving: true, terminating: true };
  const slices = [ready, sliceFacts({ endpoints: [serving], addressType: 'IPv6' })];
  t.same(shown(slices), ['10.0.0.1:8080 ready']);
  t.same(shown(slices, { preferFamily: 6 }), ['fd00::1:8080 ready']);
});

t.test('two addresses are one endpoint only where a uid and a port say so', async (t) => {
  const slices = (uid4: string | null, uid6: string | null, port6 = 8080) => [
    sliceFacts({ endpoints: [{ address: A, uid: uid4 }] }),
    sliceFacts({
      endpoints: [{ address: 'fd00::1', uid: uid6 }],
      addressType: 'IPv6',
      ports: [{ name: 'http', port: port6 }],
    }),
  ];
  t.equal(select(slices('u', 'u')).endpoints.size, 1);
  t.equal(select(slices(null, null)).endpoints.size, 2);
  t.equal(select(slices('u', 'v')).endpoints.size, 2);
  t.equal(select(slices('u', 'u', 8081)).endpoints.size, 2);
  const sameFamily = sliceFacts({
    endpoints: [
      { address: A, uid: 'u' },
      { address: B, uid: 'u' },
    ],
  });
  t.same(shown([sameFamily]), ['10.0.0.1:8080 ready', '10.0.0.2:8080 ready']);
  const three = select([
    sameFamily,
    sliceFacts({ endpoints: [{ address: 'fd00::1', uid: 'u' }], addressType: 'IPv6' }),
  ]);
  t.same(
    [...three.endpoints.values()].map(({ otherId }) => otherId),
    [null, null, null],
  );
});

const LOCAL = serviceFacts({ spec: { internalTrafficPolicy: 'Local' } });

t.test('internalTrafficPolicy Local leaves the endpoints of this node', async (t) => {
  const slices = [
    sliceFacts({
      endpoints: [
        { address: A, nodeName: 'n1', forZones: ['b'] },
        { address: B, nodeName: 'n2', forZones: ['a'] },
        { address: C },
      ],
    }),
  ];
  const here = { service: LOCAL, locality: { nodeName: 'n1', zone: 'a' } };
  t.same(shown(slices, here), ['10.0.0.1:8080 ready']);
  t.equal(select(slices, here).problem, null);
  const nowhere = { service: LOCAL, locality: { nodeName: 'n3', zone: 'a' } };
  t.same(select(slices, nowhere), { endpoints: new Map(), problem: null }, 'as the policy asks');
  const headless = serviceFacts({ headless: true, spec: { internalTrafficPolicy: 'Local' } });
  t.equal(select(slices, { ...here, service: headless }).endpoints.size, 3, 'a headless Service has no such traffic');
});

t.test('internalTrafficPolicy Local needs the name of the node', async (t) => {
  const slices = [sliceFacts({ endpoints: [{ address: A, nodeName: 'n1' }, B] })];
  const found = select(slices, { service: LOCAL });
  t.equal(found.endpoints.size, 2);
  t.match(found.problem, { message: /shop\/orders .*internalTrafficPolicy: Local/, hint: /NODE_NAME/ });
});

/** One slice of these endpoints. */
function hinted(...endpoints: readonly Exclude<SliceInput['endpoints'][number], string>[]): SliceFacts[] {
  return [sliceFacts({ endpoints })];
}

t.test('zone hints leave the endpoints that are for our zone', async (t) => {
  const slices = hinted(
    { address: A, forZones: ['a'] },
    { address: B, forZones: ['b', 'a'] },
    { address: C, forZones: ['c'] },
  );
  const inZone = (zone: string | null) => shown(slices, { locality: { nodeName: null, zone } });
  t.same(inZone('a'), ['10.0.0.1:8080 ready', '10.0.0.2:8080 ready']);
  t.same(inZone('c'), ['10.0.0.3:8080 ready']);
  t.equal(inZone('d').length, 3, 'none is for our zone');
  t.equal(inZone(null).length, 3, 'the zone is not known');
});

t.test('hints are ignored unless all ready endpoints have them', async (t) => {
  const locality = { nodeName: 'n1', zone: 'a' };
  const some = hinted({ address: A, forZones: ['a'], forNodes: ['n1'] }, { address: B });
  t.equal(shown(some, { locality }).length, 2);
  const rest = { ready: false, serving: true };
  const ready = hinted({ address: A, forZones: ['a'] }, { address: B, forZones: ['b'] }, { address: C, ...rest });
  t.same(shown(ready, { locality }), ['10.0.0.1:8080 ready', '10.0.0.3:8080 unready']);
});

t.test('node hints come before zone hints, and give way to them', async (t) => {
  const slices = hinted(
    { address: A, forNodes: ['n1'], forZones: ['b'] },
    { address: B, forNodes: ['n2'], forZones: ['a'] },
    { address: C, forNodes: ['n3'], forZones: ['a'] },
  );
  t.same(shown(slices, { locality: { nodeName: 'n1', zone: 'a' } }), ['10.0.0.1:8080 ready']);
  const byZone = ['10.0.0.2:8080 ready', '10.0.0.3:8080 ready'];
  t.same(shown(slices, { locality: { nodeName: 'n9', zone: 'a' } }), byZone, 'none is for our node');
  t.same(shown(slices, { locality: { nodeName: null, zone: 'a' } }), byZone, 'the node is not known');
  const incomplete = [...slices, ...hinted({ address: '10.0.0.4', forZones: ['a'] })];
  t.equal(shown(incomplete, { locality: { nodeName: 'n1', zone: 'a' } }).length, 3);
  t.equal(shown(slices, { locality: { nodeName: 'n9', zone: 'z' } }).length, 3, 'neither is of use');
});

t.test('endpoints that shut down stay in sight whatever the hints say', async (t) => {
  const down = { ready: false, serving: true, terminating: true };
  const locality = { nodeName: null, zone: 'a' };
  const slices = hinted(
    { address: A, forZones: ['a'] },
    { address: B, ...down },
    { address: C, forZones: ['b'], ...down },
  );
  t.same(shown(slices, { locality }), ['10.0.0.1:8080 ready', '10.0.0.2:8080 serving', '10.0.0.3:8080 serving']);
  const alone = hinted({ address: B, ...down }, { address: C, forZones: ['b'], ...down });
  t.equal(shown(alone, { locality }).length, 2, 'they are all there is');
});

t.test('the zone of a node is that of an endpoint that runs there', async (t) => {
  const slices = [
    sliceFacts({
      endpoints: [
        { address: A, nodeName: 'n1' },
        { address: B, nodeName: 'n2', zone: 'b' },
      ],
    }),
    sliceFacts({ endpoints: [{ address: C, nodeName: 'n1', zone: 'a' }] }),
  ];
  t.equal(zoneOfNode(slices, 'n1'), 'a');
  t.equal(zoneOfNode(slices, 'n2'), 'b');
  t.equal(zoneOfNode(slices, 'n3'), null);
  t.equal(zoneOfNode([], 'n1'), null);
});
