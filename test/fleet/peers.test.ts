import t from 'tap';
import type { SliceFacts } from '../../src/discovery/kubernetes/objects.ts';
import { evenShare } from '../../src/fleet/even-share.ts';
import { countPeers } from '../../src/fleet/peers.ts';
import { withoutGenerated, workloadName } from '../../src/fleet/workload-name.ts';
import { pods } from './fake-service.ts';
import { DEFAULTS } from './fleet-fixture.ts';

t.test('the shares of all are the budget, whatever the numbers', async (t) => {
  for (const [budget, peers] of [
    [100, 20],
    [100, 7],
    [3, 5],
    [5, 5],
    [1, 1],
    [0, 3],
  ] as const) {
    const shares = Array.from({ length: peers }, (_, rank) => evenShare(budget, peers, rank));
    t.equal(
      shares.reduce((a, b) => a + b, 0),
      budget,
    );
    t.ok(Math.max(...shares) - Math.min(...shares) <= 1);
  }
  t.equal(evenShare(100, 7, null), 14, 'who does not know its place takes none of the remainder');
  t.equal(evenShare(10, 0, null), 10, 'nobody is one: this one');
});

const NOBODY: ReadonlySet<string> = new Set();

t.test('every ready pod counts once, in whatever family and slice', async (t) => {
  const [slice] = pods({ address: '10.0.0.1' }, { address: '10.0.0.2' }, { address: '10.0.0.3', ready: false });
  const other = pods({ address: 'fd00::1', uid: 'uid-10.0.0.1' });
  const slices: readonly SliceFacts[] = slice === undefined ? [] : [slice, ...other];
  t.match(countPeers(slices, ['10.0.0.2'], NOBODY), { peers: 2, rank: 1 });
  t.match(countPeers(slices, ['fd00::1'], NOBODY), { peers: 2, rank: 0 }, 'found by its other address');
  t.match(countPeers(slices, ['10.0.0.3'], NOBODY), { peers: 3, rank: null }, 'it is there itself, ready or not');
});

t.test(
  'a pod that turns unready or terminates counts on while it is listed, for it has connections still',
  async (t) => {
    const before = countPeers(
      pods({ address: '10.0.0.1' }, { address: '10.0.0.2' }, { address: '10.0.0.3' }),
      ['10.0.0.1'],
      NOBODY,
    );
    const after = pods(
      { address: '10.0.0.1' },
      { address: '10.0.0.2', ready: false },
      { address: '10.0.0.3', terminating: true },
    );
    const counted = countPeers(after, ['10.0.0.1'], before?.known ?? NOBODY);
    t.match(counted, { peers: 3, rank: null }, 'and nobody takes the remainder, for others may not know them');
    t.match(countPeers(pods({ address: '10.0.0.1' }), ['10.0.0.1'], counted?.known ?? NOBODY), { peers: 1, rank: 0 });
  },
);

t.test('where no pod was ever ready all that are listed count', async (t) => {
  const none = pods({ address: '10.0.0.1', ready: false }, { address: '10.0.0.2', ready: false });
  t.match(countPeers(none, ['10.0.0.1'], NOBODY), { peers: 2, rank: null });
});

t.test('a pod that is not listed yet counts itself, and takes none of the remainder', async (t) => {
  const two = pods({ address: '10.0.0.1' }, { address: '10.0.0.2' });
  t.match(countPeers(two, ['10.0.0.9'], NOBODY), { peers: 3, rank: null });
});

t.test('pods that share an address with this one leave its place open', async (t) => {
  const node = pods({ address: '10.1.1.1', uid: 'a' }, { address: '10.1.1.1', uid: 'b' }, { address: '10.1.1.2' });
  t.match(countPeers(node, ['10.1.1.1'], NOBODY), { peers: 3, rank: null });
});

t.test('a Service without endpoints tells nothing', async (t) => {
  t.equal(countPeers([], ['10.0.0.1'], NOBODY), null);
  t.equal(countPeers(pods(), ['10.0.0.1'], NOBODY), null);
});

t.test('a workload’s name is its pod’s without what was generated', async (t) => {
  const names = {
    'web-7d4b9c6f5d-x2x9z': 'web',
    'orders-api-6c8f7bd9f-kq7wl': 'orders-api',
    'agent-x7k2p': 'agent',
    'db-0': 'db',
    'db-12': 'db',
    'my-laptop': 'my-laptop',
    'front-end': 'front-end',
  };
  for (const [pod, workload] of Object.entries(names)) t.equal(withoutGenerated(pod), workload);
});

t.test('two workloads of one name in two namespaces share no budget', async (t) => {
  const within = (namespace: string | null, service: string | null) => ({
    ...DEFAULTS,
    fleet: { ...DEFAULTS.fleet, service },
    discovery: {
      ...DEFAULTS.discovery,
      kubernetes: { ...DEFAULTS.discovery.kubernetes, namespace, tokenDir: '/nowhere' },
    },
  });
  t.equal(workloadName(within('shop', null), { POD_NAME: 'web-7d4b9c6f5d-x2x9z' }), 'web.shop');
  t.equal(workloadName(within('shop', null), {}, 'db-3'), 'db.shop');
  t.equal(workloadName(within('shop', 'web'), {}, 'any'), 'web.shop');
  t.equal(workloadName(within('shop', 'web.other'), {}, 'any'), 'web.other');
  t.equal(workloadName(within(null, null), {}, 'db-3'), 'db');
  const named = { ...within('shop', 'web'), fleet: { ...DEFAULTS.fleet, workload: 'ours' } };
  t.equal(workloadName(named, {}, 'any'), 'ours');
});
