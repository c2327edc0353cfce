import t from 'tap';
import type { DestinationConfig } from '../../src/config/types.ts';
import { findEntry, matchesPattern } from '../../src/routing/host-pattern.ts';
import { defaultConfig } from '../pool/pool-fixture.ts';

t.test('a star stands for exactly one label', async (t) => {
  for (const [pattern, host, fits] of [
    ['orders.shop', 'orders.shop', true],
    ['orders.shop', 'orders.shop.', true],
    ['orders.shop', 'xorders.shop', false],
    ['orders.shop', 'orders.shop.evil', false],
    ['*.shop', 'orders.shop', true],
    ['*.shop', 'a.orders.shop', false],
    ['*.shop', 'shop', false],
    ['orders.*', 'orders.shop', true],
    ['*.*', 'orders.shop', true],
    ['*', 'orders', true],
    ['*', 'orders.shop', false],
    ['*.shop', 'orders.shop.', true],
    ['*.shop', 'orders.shopx', false],
    ['api.*.example', 'api.eu.example', true],
  ] as const) {
    t.equal(matchesPattern({ host: pattern, port: null }, host, 80), fits, `${pattern} ${host}`);
  }
});

t.test('a port of the pattern is the only one that fits, none fits all', async (t) => {
  t.ok(matchesPattern({ host: 'a', port: 80 }, 'a', 80));
  t.notOk(matchesPattern({ host: 'a', port: 80 }, 'a', 81));
  t.ok(matchesPattern({ host: 'a', port: null }, 'a', 81));
});

t.test('a literal name wins over a star, a port over none, then the first', async (t) => {
  const { defaults } = defaultConfig();
  const entry = (host: string, port: number | null, name: string): DestinationConfig => ({
    name,
    match: { host, port },
    localPort: null,
    basePath: '',
    endpoints: null,
    to: null,
    mode: null,
    fleet: { maxConnections: null },
    policy: defaults,
  });
  const entries = [
    entry('*.shop', null, 'star'),
    entry('*.shop', 80, 'star with port'),
    entry('orders.shop', null, 'literal'),
    entry('orders.shop', 80, 'literal with port'),
    entry('orders.shop', 80, 'again'),
  ];
  const found = (host: string, port: number): string | null | undefined => findEntry(entries, host, port)?.name;
  t.equal(found('orders.shop', 80), 'literal with port');
  t.equal(found('orders.shop', 81), 'literal');
  t.equal(found('carts.shop', 80), 'star with port');
  t.equal(found('carts.shop', 81), 'star');
  t.equal(findEntry(entries, 'elsewhere', 80), null);
});
