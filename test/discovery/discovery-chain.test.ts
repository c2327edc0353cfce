import t from 'tap';
import type { EndpointSink, EndpointSubscription } from '../../src/discovery/discovery.ts';
import { DiscoveryChain, type DiscoverySource } from '../../src/discovery/discovery-chain.ts';
import { LiteralDiscovery, StaticDiscovery } from '../../src/discovery/static-discovery.ts';
import { RecordingSink } from './recording-sink.ts';

/** A source that takes every destination and tells nothing. */
class Rest implements DiscoverySource {
  readonly asked: string[] = [];
  claims(): boolean {
    return true;
  }
  subscribe(host: string, port: number, _sink: EndpointSink): EndpointSubscription {
    this.asked.push(`${host}:${port}`);
    return {
      describe: () => ({ source: 'dns', state: 'resolving', error: null, ageMs: null }),
      refresh: () => {},
      close: () => {},
    };
  }
}

t.test('a destination with static endpoints has these, at once', async (t) => {
  const rest = new Rest();
  const chain = new DiscoveryChain([new StaticDiscovery(), new LiteralDiscovery(), rest]);
  const sink = new RecordingSink();
  const endpoints = [
    { address: '10.0.0.5', port: 9000 },
    { address: 'fd00::5', port: 9001 },
  ];
  const subscription = chain.subscribe('10.0.0.1', 80, sink, { endpoints });
  t.same(sink.calls, ['add 10.0.0.5:9000', 'add [fd00::5]:9001', 'settled']);
  t.same(sink.specs[1], { id: '[fd00::5]:9001', address: 'fd00::5', port: 9001 });
  t.same(subscription.describe(), { source: 'static', state: 'ready', error: null, ageMs: 0 });
  subscription.refresh();
  subscription.close();
  t.equal(sink.calls.length, 3);
  t.same(rest.asked, []);
});

t.test('an empty list of static endpoints is settled without any', async (t) => {
  const sink = new RecordingSink();
  new DiscoveryChain([new StaticDiscovery(), new Rest()]).subscribe('legacy', 80, sink, { endpoints: [] });
  t.same(sink.calls, ['settled']);
});

t.test('a destination that is an address has that one endpoint', async (t) => {
  const chain = new DiscoveryChain([new StaticDiscovery(), new LiteralDiscovery(), new Rest()]);
  for (const [host, id] of [
    ['10.0.0.1', '10.0.0.1:80'],
    ['fd00::1', '[fd00::1]:80'],
  ] as const) {
    const sink = new RecordingSink();
    const subscription = chain.subscribe(host, 80, sink, { endpoints: null });
    t.same(sink.calls, [`add ${id}`, 'settled']);
    t.same(sink.specs, [{ id, address: host, port: 80 }]);
    t.equal(subscription.describe().source, 'literal');
    subscription.close();
  }
});

t.test('everything else goes to the source behind, odd spellings of addresses too', async (t) => {
  const rest = new Rest();
  const chain = new DiscoveryChain([new StaticDiscovery(), new LiteralDiscovery(), rest]);
  chain.subscribe('orders.shop', 8080, new RecordingSink());
  chain.subscribe('127.1', 8080, new RecordingSink());
  t.same(rest.asked, ['orders.shop:8080', '127.1:8080']);
});

t.test('where no source is left the destination has no route', async (t) => {
  const sink = new RecordingSink();
  const subscription = new DiscoveryChain([new StaticDiscovery()]).subscribe('orders', 80, sink);
  t.same(sink.calls, ['settled NO_ROUTE']);
  t.equal(subscription.describe().state, 'failing');
});
