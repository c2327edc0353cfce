import t, { type Test } from 'tap';
import { ApiRelay } from './cluster/api-relay.ts';
import { CLUSTER_VARIABLE, Cluster } from './cluster/cluster.ts';
import { DnsServer } from './cluster/dns-server.ts';
import { ServiceAccount } from './cluster/service-account.ts';
import { Shop } from './cluster/shop.ts';
import { disagreements, failures, type Ledgers, latencies, repeatedPosts } from './ledgers.ts';
import { type ClientEntry, type LoadOptions, OpenLoop } from './load/open-loop.ts';
import { Carpool, type CarpoolOptions } from './sidecar/carpool.ts';

const wanted = process.env[CLUSTER_VARIABLE] ?? 'skip: run it with `make e2e` or `node e2e/run.ts FILE`';
let cluster: Cluster | null = null;

function theCluster(): Cluster {
  cluster ??= new Cluster(wanted);
  return cluster;
}

t.teardown(() => cluster?.api.close());

/** What a scenario is made of; all that it opens is closed when its test ends. */
export class Stage {
  readonly cluster = theCluster();
  readonly #test: Test;

  constructor(test: Test) {
    this.#test = test;
  }

  async shop(options: Parameters<typeof Shop.open>[1] = {}): Promise<Shop> {
    const shop = await Shop.open(this.cluster, options);
    this.#test.teardown(() => shop.close());
    return shop;
  }

  /** A sidecar in a pod of the shop, with a good token unless one is mounted already. */
  async carpool(shop: Shop, options: Partial<CarpoolOptions> = {}): Promise<Carpool> {
    const tokenDir = options.tokenDir ?? (await this.#account(shop));
    const carpool = await Carpool.start(this.cluster, { ...options, tokenDir });
    this.#test.teardown(() => carpool.stop());
    return carpool;
  }

  /** Between a sidecar and the API server. */
  async relay(): Promise<ApiRelay> {
    const relay = await ApiRelay.open(this.cluster);
    this.#test.teardown(() => relay.close());
    return relay;
  }

  /** Cluster DNS: names, and their addresses. One for a test. */
  async dns(names: Readonly<Record<string, readonly string[]>>): Promise<DnsServer> {
    const server = await DnsServer.open(this.cluster.hostIp, names);
    this.#test.teardown(() => server.close());
    return server;
  }

  async load(options: LoadOptions): Promise<OpenLoop> {
    const load = await OpenLoop.start(this.cluster, options);
    this.#test.teardown(() => load.end().then(() => {}));
    return load;
  }

  async #account(shop: Shop): Promise<string> {
    const account = new ServiceAccount(shop);
    await account.issue();
    return account.tokenDir;
  }
}

/** A test on the real control plane; skipped, with the reason, where there is none. */
export function scenario(name: string, body: (test: Test, stage: Stage) => Promise<void>): void {
  const reason = /^skip: (.*)/s.exec(wanted)?.[1];
  t.test(name, reason === undefined ? {} : { skip: reason }, (test) => body(test, new Stage(test)));
}

/** Which requests a scenario may lose: none, or POSTs that were sent into the end of a pod. */
type MayFail = 'none' | 'POSTs';

/**
 * Ends the load, and compares what the three parties wrote down: nothing failed that may not, no POST arrived twice, and
 * the ledgers agree.
 */
export async function closeBooks(
  test: Test,
  { load, carpool, shop }: { readonly load: OpenLoop; readonly carpool: Carpool; readonly shop: Shop },
  mayFail: MayFail = 'none',
): Promise<Ledgers> {
  const client = await load.end();
  await carpool.untilQuiet();
  const books = { client, carpool: await carpool.metrics(), origins: shop.node.ledger() };
  test.comment(summary(client));
  if (mayFail === 'none') test.same(failures(client), [], 'no request failed');
  else test.same(failures(client, 'GET'), [], 'no GET failed');
  test.same(repeatedPosts(books.origins), [], 'no POST arrived twice');
  test.same(disagreements(books), [], 'the three ledgers agree');
  return books;
}

/** A line for the reader of the run. */
function summary(client: readonly ClientEntry[]): string {
  const posts = client.filter((entry) => entry.method === 'POST').length;
  return `${client.length} requests, ${posts} POSTs, ${failures(client).length} failed; ${latencies(client)}`;
}
