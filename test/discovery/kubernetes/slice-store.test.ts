import { test } from 'tap';
import { parseAddressRange } from '../../../src/discovery/address-range.ts';
import { SliceStore } from '../../../src/discovery/kubernetes/slice-store.ts';
import { at } from './fake-kube-api.ts';
import { slice } from './kube-objects.ts';

function make() {
  const unreadable: (string | null)[] = [];
  const store = new SliceStore({
    allow: () => [],
    unreadable: (first) => {
      if (unreadable.at(-1) !== first) unreadable.push(first);
    },
  });
  const addresses = (service: string) =>
    store.slices(service).flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
  return { store, unreadable, addresses };
}

const orders = (address: string, name = 'orders-a') => slice({ service: 'orders', name, endpoints: [address] });
const users = (address: string, name = 'users-a') => slice({ service: 'users', name, endpoints: [address] });

test('a list stands in place of all that was known, and only real differences are changes', async (t) => {
  const { store, addresses } = make();
  t.same(store.replace([at(1, orders('10.0.0.1')), at(2, users('10.0.0.2'))]), new Set(['orders', 'users']));
  t.same(store.replace([at(7, orders('10.0.0.1')), at(8, users('10.0.0.3'))]), new Set(['users']));
  t.same(addresses('users'), ['10.0.0.3']);
  t.same(store.replace([at(9, users('10.0.0.3'))]), new Set(['orders']));
  t.same(addresses('orders'), []);
  t.same(store.replace([at(3, users('10.0.0.4'))]), new Set(['users']), 'also where its version is older');
});

test('the slices of a Service come by name', async (t) => {
  const { store, addresses } = make();
  store.replace([
    at(1, orders('10.0.0.3', 'orders-c')),
    at(2, orders('10.0.0.1')),
    at(3, orders('10.0.0.2', 'orders-b')),
  ]);
  t.same(addresses('orders'), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  t.equal(store.all().length, 3);
});

test('events add, change and remove slices', async (t) => {
  const { store, addresses } = make();
  t.same(store.apply('ADDED', at(1, orders('10.0.0.1'))), new Set(['orders']));
  t.same(store.apply('MODIFIED', at(2, orders('10.0.0.2'))), new Set(['orders']));
  t.same(addresses('orders'), ['10.0.0.2']);
  t.same(store.apply('MODIFIED', at(3, users('10.0.0.9'))), new Set(['users']), 'one that is not known is added');
  t.same(store.apply('DELETED', at(4, orders('10.0.0.2'))), new Set(['orders']));
  t.same(addresses('orders'), []);
  t.same(store.apply('DELETED', at(5, orders('10.0.0.2'))), new Set(), 'one that is not known changes nothing');
  t.same(store.apply('SOMETHING', at(6, orders('10.0.0.2'))), new Set());
});

test('an update without a difference that matters is no change, and its version counts', async (t) => {
  const { store, addresses } = make();
  store.apply('ADDED', at(1, orders('10.0.0.1')));
  const touched = orders('10.0.0.1');
  const annotated = { ...touched, metadata: { ...touched.metadata, annotations: { changed: 'now' } } };
  t.same(store.apply('MODIFIED', at(5, annotated)), new Set());
  t.same(store.apply('MODIFIED', at(3, orders('10.0.0.7'))), new Set(), 'older than the version seen last');
  t.same(addresses('orders'), ['10.0.0.1']);
});

test('news of a slice from before what is known of it is not believed', async (t) => {
  const { store, addresses } = make();
  store.apply('ADDED', at(10, orders('10.0.0.1')));
  t.same(store.apply('MODIFIED', at(9, orders('10.0.0.9'))), new Set());
  t.same(store.apply('DELETED', at(9, orders('10.0.0.9'))), new Set());
  t.same(addresses('orders'), ['10.0.0.1']);
  store.apply('DELETED', at(20, orders('10.0.0.1')));
  t.same(store.apply('MODIFIED', at(19, orders('10.0.0.9'))), new Set(), 'nor of one that was deleted since');
  t.same(store.apply('ADDED', at(21, orders('10.0.0.2'))), new Set(['orders']), 'one made anew is');
});

test('versions that are no numbers are taken as they come', async (t) => {
  const { store, addresses } = make();
  store.apply('ADDED', at('b', orders('10.0.0.1')));
  store.apply('MODIFIED', at('a', orders('10.0.0.2')));
  t.same(addresses('orders'), ['10.0.0.2']);
});

test('a slice that goes to another Service changes both', async (t) => {
  const { store, addresses } = make();
  store.apply('ADDED', at(1, slice({ service: 'orders', name: 'moved', endpoints: ['10.0.0.1'] })));
  const moved = at(2, slice({ service: 'users', name: 'moved', endpoints: ['10.0.0.1'] }));
  t.same(store.apply('MODIFIED', moved), new Set(['orders', 'users']));
  t.same(addresses('orders'), []);
  t.same(addresses('users'), ['10.0.0.1']);
  t.same(
    store.replace([at(3, slice({ service: 'orders', name: 'moved', endpoints: [] }))]),
    new Set(['orders', 'users']),
  );
});

test('what cannot be read is left out and named, until it can be or is no more', async (t) => {
  const { store, unreadable, addresses } = make();
  const fqdn = slice({ service: 'orders', name: 'names', addressType: 'FQDN', endpoints: ['example.com'] });
  t.same(store.replace([at(1, fqdn), at(2, orders('10.0.0.1')), 17, null]), new Set(['orders']));
  t.same(unreadable, ['names']);
  store.apply('MODIFIED', at(3, orders('10.0.0.2', 'names')));
  t.same(unreadable, ['names', '17']);
  store.replace([at(4, orders('10.0.0.1'))]);
  t.same(unreadable, ['names', '17', null]);
  store.apply('ADDED', at(5, fqdn));
  store.apply('DELETED', at(6, fqdn));
  t.same(unreadable, ['names', '17', null, 'names', null]);
  t.same(addresses('orders'), ['10.0.0.1']);
});

test('a slice that cannot be read any more stays as it was', async (t) => {
  const { store, addresses } = make();
  store.replace([at(1, orders('10.0.0.1'))]);
  const broken = { metadata: { name: 'orders-a', namespace: 'shop', resourceVersion: '2' } };
  t.same(store.apply('MODIFIED', broken), new Set());
  t.same(store.replace([broken]), new Set());
  t.same(addresses('orders'), ['10.0.0.1']);
});

test('a list beside which events came keeps what is newer than it', async (t) => {
  const { store, addresses } = make();
  store.replace([at(1, orders('10.0.0.1')), at(2, users('10.0.0.2')), at(3, orders('10.0.0.3', 'orders-b'))]);
  store.apply('MODIFIED', at(11, orders('10.0.0.11')));
  store.apply('ADDED', at(12, users('10.0.0.12', 'users-b')));
  store.apply('DELETED', at(13, orders('10.0.0.3', 'orders-b')));
  const list = [at(1, orders('10.0.0.1')), at(3, orders('10.0.0.3', 'orders-b')), at(9, users('10.0.0.9', 'users-c'))];
  t.same(store.replace(list, { version: null, newerThan: '10', keep: () => false }), new Set(['users']));
  t.same(addresses('orders'), ['10.0.0.11'], 'the change stays, and what was deleted does not come back');
  t.same(addresses('users'), ['10.0.0.12', '10.0.0.9'], 'what was added stays, what the list has no more goes');
});

test('a list keeps the Services that it does not cover', async (t) => {
  const { store, addresses } = make();
  store.replace([at(1, orders('10.0.0.1')), at(2, users('10.0.0.2'))]);
  t.same(
    store.replace([], { version: null, newerThan: null, keep: (service) => service === 'users' }),
    new Set(['orders']),
  );
  t.same(addresses('users'), ['10.0.0.2']);
});

test('after the latest list there is, older deletions are forgotten', async (t) => {
  const { store, addresses } = make();
  store.apply('DELETED', at(100, orders('10.0.0.1')));
  store.replace([]);
  store.apply('ADDED', at(50, orders('10.0.0.2')));
  t.same(addresses('orders'), ['10.0.0.2'], 'the server’s data went back to an earlier day');
});

test('deletions are remembered up to a bound', async (t) => {
  const { store, addresses } = make();
  for (let i = 0; i < 1_001; i++) store.apply('DELETED', at(100, orders('10.0.0.1', `orders-${i}`)));
  store.apply('ADDED', at(50, orders('10.0.0.1', 'orders-1')));
  t.same(addresses('orders'), []);
  store.apply('ADDED', at(50, orders('10.0.0.2', 'orders-0')));
  t.same(addresses('orders'), ['10.0.0.2'], 'the oldest was forgotten');
});

test('addresses that are allowed by the configuration are read', async (t) => {
  const store = new SliceStore({ allow: () => [parseAddressRange('127.0.0.0/8')], unreadable() {} });
  store.apply('ADDED', at(1, orders('127.0.0.1')));
  t.equal(store.slices('orders')[0]?.endpoints.length, 1);
});

test('news from before a list brings nothing back, but for Services that the list does not cover', async (t) => {
  const { store, addresses } = make();
  store.replace([], { version: '10', newerThan: null, keep: (service) => service === 'users' });
  t.same(store.apply('MODIFIED', at(9, orders('10.0.0.1'))), new Set());
  t.same(store.apply('ADDED', at(9, users('10.0.0.2'))), new Set(['users']));
  t.same(store.apply('ADDED', at(11, orders('10.0.0.3'))), new Set(['orders']));
  t.same(addresses('orders'), ['10.0.0.3']);
});
