import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DnsStub, type DnsStubOptions } from '../../src/discovery/dns-stub.ts';
import { TestClock } from '../test-clock.ts';
import { DnsServer, type Script } from './dns-server.ts';

/** What the kubelet writes for a pod in the namespace `shop`. */
export const KUBERNETES = 'search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5';

type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };

/** A nameserver, a hosts file and a resolv.conf of one test, and the resolver that reads them. */
export class DnsFixture {
  readonly clock = new TestClock();
  readonly server: DnsServer;
  readonly directory: string;
  readonly stub: DnsStub;

  private constructor(server: DnsServer, directory: string, options: Partial<DnsStubOptions>) {
    this.server = server;
    this.directory = directory;
    this.stub = new DnsStub({
      hostsFile: this.hostsFile,
      resolvConf: this.resolvConf,
      clock: this.clock,
      // Reading is a matter of real time, which would make counting timers a matter of luck.
      pollMs: 86_400_000,
      families: () => ({ ipv4: true, ipv6: true }),
      ...options,
    });
  }

  /**
   * @param conf lines of resolv.conf beside `nameserver`, which is the scripted server unless they have one
   */
  static async start(
    t: Teardown,
    script: Script,
    setup: { conf?: string; hosts?: string } & Partial<DnsStubOptions> = {},
  ): Promise<DnsFixture> {
    const { conf = '', hosts = '', ...options } = setup;
    const server = await DnsServer.start(script);
    const directory = mkdtempSync(join(tmpdir(), 'carpool-dns-'));
    writeFileSync(join(directory, 'hosts'), hosts);
    const nameserver = conf.includes('nameserver') ? '' : `nameserver ${server.address}\n`;
    writeFileSync(join(directory, 'resolv.conf'), `${nameserver}${conf}\n`);
    const fixture = new DnsFixture(server, directory, options);
    t.teardown(async () => {
      fixture.stub.close();
      await server.close();
      rmSync(directory, { recursive: true });
    });
    return fixture;
  }

  get hostsFile(): string {
    return join(this.directory, 'hosts');
  }

  get resolvConf(): string {
    return join(this.directory, 'resolv.conf');
  }
}
