import { DnsDiscovery, type DnsDiscoveryOptions } from '../../src/discovery/dns-discovery.ts';
import type { DnsStubOptions } from '../../src/discovery/dns-stub.ts';
import { DnsFixture } from './dns-fixture.ts';
import type { Script } from './dns-server.ts';
import { RecordingSink } from './recording-sink.ts';

export const TIMING = { minTtlMs: 5_000, maxTtlMs: 60_000, negativeTtlMs: 5_000 };

type Setup = { conf?: string; hosts?: string } & Partial<DnsStubOptions> & Partial<DnsDiscoveryOptions>;
type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };

/** DNS discovery in front of a scripted nameserver; without jitter unless told otherwise. */
export async function startDiscovery(t: Teardown, script: Script, setup: Setup = {}) {
  const fixture = await DnsFixture.start(t, script, setup);
  const { clock, server, stub } = fixture;
  const discovery = new DnsDiscovery({ lookup: stub, clock, timing: TIMING, random: () => 0, ...setup });
  t.teardown(() => discovery.close());

  /** Subscribes and waits for the first answer. */
  const subscribe = async (host: string, port = 80, vanished: 'keep' | 'evict' | null = null) => {
    const sink = new RecordingSink();
    const subscription = discovery.subscribe(host, port, sink, { vanished });
    await sink.settledTimes(1);
    return { sink, subscription };
  };
  /** Lets whatever was started before reach the nameserver: a question that is asked later has arrived. */
  const flush = async () => {
    await stub.lookup(`flush-${server.questions.length}.`);
  };
  return { fixture, clock, server, stub, discovery, subscribe, flush };
}
