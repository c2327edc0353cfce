import t, { type Test } from 'tap';
import type { Config } from '../../src/config/types.ts';
import { NoProxy } from '../../src/egress/no-proxy.ts';
import { ParentProxy } from '../../src/egress/parent-proxy.ts';
import { ParentProxySource } from '../../src/egress/parent-proxy-source.ts';
import type { CarpoolEvent } from '../../src/observer.ts';
import { RecordingSink } from '../discovery/recording-sink.ts';
import { defaultConfig } from '../pool/pool-fixture.ts';
import { FakeDiscovery } from '../routing/fake-discovery.ts';
import { TestClock } from '../test-clock.ts';

function source(
  url: string,
  settings: Partial<Config['egress']['parentProxy']> = {},
  services: readonly string[] = [],
) {
  const { egress, defaults } = defaultConfig();
  const clock = new TestClock();
  const events: CarpoolEvent[] = [];
  const parent = { ...egress.parentProxy, ...settings };
  const proxy = new ParentProxy(url, parent, defaults.tls, clock, { emit: (event) => events.push(event) });
  const dns = new FakeDiscovery(null);
  const noProxy = new NoProxy(parent.noProxy);
  return {
    proxy,
    dns,
    clock,
    events,
    source: new ParentProxySource(proxy, noProxy, dns, (host) => services.includes(host)),
  };
}

t.test('the outside is reached by the proxy; the cluster, and names without a dot, are not', async (t) => {
  const { source: parent } = source('http://proxy.corp:3128', {}, ['orders.shop']);
  for (const outside of [
    'example.com',
    'example.com.',
    'github.com',
    '203.0.113.7',
    '2001:db8::1',
    'x.localhost.example',
  ])
    t.equal(parent.claims(outside, 443), true, outside);
  for (const inside of [
    'orders',
    'localhost',
    'orders.',
    'x.localhost',
    'orders.shop.svc',
    'orders.shop.svc.cluster.local',
  ])
    t.equal(parent.claims(inside, 443), false, inside);
  for (const inside of ['orders.shop', '10.1.2.3', 'fd00::1', '127.0.0.1', '::1', 'printer.local'])
    t.equal(parent.claims(inside, 443), false, inside);
  t.equal(parent.addresses.claims('203.0.113.7', 443), true);
  t.equal(parent.addresses.claims('example.com', 443), false, 'names have their turn later');
});

t.test('the addresses of the proxy’s name are the endpoints, each with what the proxy is asked for', async (t) => {
  const { source: parent, dns, proxy } = source('https://proxy.corp');
  const sink = new RecordingSink();
  const subscription = parent.subscribe('example.com.', 8443, sink);
  const told = dns.sink('proxy.corp:443');
  told.add({ id: '192.0.2.1:443', address: '192.0.2.1', port: 443 });
  told.settled(null);
  told.suspend('192.0.2.1:443');
  t.same(sink.specs, [
    {
      id: '192.0.2.1:443',
      address: '192.0.2.1',
      port: 443,
      written: true,
      proxied: { host: 'example.com', port: 8443, proxy },
    },
  ]);
  t.same(sink.calls, ['add 192.0.2.1:443', 'settled', 'suspend 192.0.2.1:443']);
  t.equal(subscription.describe().source, 'parent_proxy');
  subscription.close();
  t.equal(dns.open, 0);
});

t.test('a proxy that is named by its address needs no DNS', async (t) => {
  const { source: parent, dns } = source('http://[fd00::9]:3128');
  const sink = new RecordingSink();
  parent.subscribe('example.com', 80, sink);
  t.equal(sink.specs[0]?.address, 'fd00::9');
  t.equal(dns.subscribed, 0);
});

const withFile = (t: Test, content: string): string => `${t.testdir({ key: content })}/key`;
const lineOf = (proxy: ParentProxy): string | undefined => proxy.credentials()?.toString('latin1');

t.test(
  'credentials are Basic of user:password, or a whole value; anything else is refused, and told once',
  async (t) => {
    for (const [content, line] of [
      ['user:pass word\n', `Basic ${Buffer.from('user:pass word').toString('base64')}`],
      ['üser:pä', `Basic ${Buffer.from('üser:pä').toString('base64')}`],
      ['Bearer abc.def', 'Bearer abc.def'],
      ['Basic dXNlcjpw', 'Basic dXNlcjpw'],
    ] as const) {
      const { proxy } = source('http://p:1', { credentialsFile: withFile(t, content) });
      t.equal(lineOf(proxy), `proxy-authorization: ${line}\r\n`);
    }
    const { proxy, clock, events } = source('http://p:1', { credentialsFile: withFile(t, 'nonsense') });
    for (let count = 0; count < 3; count++) {
      t.equal(proxy.credentials(), null);
      clock.advance(1000);
    }
    t.equal(events.length, 1);
    t.match(events[0], { type: 'secret_file_refused', destination: 'parent proxy' });
    t.notMatch(JSON.stringify(events), 'nonsense');
    t.equal(source('http://p:1').proxy.credentials(), null);
  },
);
