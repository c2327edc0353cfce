import type { Clock } from '../clock.ts';
import type { Asked } from './dns-failure.ts';
import { askNameserver, type DnsQuestion, type DnsReply } from './dns-query.ts';
import type { NameserverOrder } from './nameserver-order.ts';

export type QuestionPlan = {
  /** In the order in which they are tried; each round again. */
  readonly servers: readonly string[];
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly graceMs: number;
  /** Whether AAAA is asked for at all. */
  readonly ipv6: boolean;
  readonly clock: Clock;
  readonly order: NameserverOrder;
};

/** What one absolute name came to. */
export type NameOutcome =
  | { kind: 'found'; addresses: readonly string[]; ttlMs: number; unknownFamily: 4 | 6 | null }
  /** The name is not there or has no address; a nameserver answered with an error; nobody answered. */
  | { kind: 'absent' | 'failed' | 'timeout'; asked: Asked };

const CANCELLED: DnsReply = { rcode: 'CANCELLED', addresses: [], ttlMs: 0 };

/** One family's question, carried from nameserver to nameserver until one says something about the name. */
class FamilyQuestion {
  readonly reply: Promise<DnsReply>;
  readonly #servers = new Set<string>();
  #current: DnsQuestion | null = null;
  #cancelled = false;

  constructor(name: string, family: 4 | 6, plan: QuestionPlan) {
    this.reply = this.#ask(name, family, plan);
  }

  /** The servers asked so far. */
  get servers(): ReadonlySet<string> {
    return this.#servers;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#current?.cancel();
  }

  async #ask(name: string, family: 4 | 6, plan: QuestionPlan): Promise<DnsReply> {
    let worst: DnsReply = { rcode: 'TIMEOUT', addresses: [], ttlMs: 0 };
    for (let attempt = 0; attempt < plan.attempts; attempt++)
      for (const server of plan.servers) {
        this.#servers.add(server);
        this.#current = askNameserver(server, name, family, plan.timeoutMs, plan.clock);
        const reply = await this.#current.reply;
        if (this.#cancelled) return CANCELLED;
        if (isSilence(reply)) {
          plan.order.silent(server);
          continue;
        }
        plan.order.answered(server);
        if (isConclusive(reply)) return reply;
        // SERVFAIL, REFUSED …: perhaps the next nameserver knows better. Said by one, it outweighs another's silence.
        worst = reply;
      }
    return worst;
  }
}

function isSilence({ rcode }: DnsReply): boolean {
  return rcode === 'TIMEOUT' || rcode === 'UNREACHABLE' || rcode === 'CANCELLED';
}

function isConclusive({ rcode }: DnsReply): boolean {
  return rcode === 'NOERROR' || rcode === 'NXDOMAIN' || rcode === 'NODATA';
}

/** Asks for the A and AAAA records of one absolute name in parallel. */
export class BothFamilies {
  /** Never rejects. */
  readonly outcome: Promise<NameOutcome>;
  readonly #name: string;
  readonly #ipv4: FamilyQuestion;
  readonly #ipv6: FamilyQuestion | null;

  constructor(name: string, plan: QuestionPlan) {
    this.#name = name;
    this.#ipv4 = new FamilyQuestion(name, 4, plan);
    this.#ipv6 = plan.ipv6 ? new FamilyQuestion(name, 6, plan) : null;
    this.outcome = this.#settle(plan);
  }

  cancel(): void {
    this.#ipv4.cancel();
    this.#ipv6?.cancel();
  }

  async #settle(plan: QuestionPlan): Promise<NameOutcome> {
    const ipv6 = this.#ipv6;
    if (!ipv6) return this.#judge(await this.#ipv4.reply, null);
    const first = await Promise.race([
      this.#ipv4.reply.then((reply) => ({ reply, other: ipv6 })),
      ipv6.reply.then((reply) => ({ reply, other: this.#ipv4 })),
    ]);
    // An answer with addresses waits for the other family only as long as nobody notices; anything else needs both.
    if (first.reply.addresses.length > 0) await withinGrace(first.other, plan);
    return this.#judge(await this.#ipv4.reply, await ipv6.reply);
  }

  #judge(ipv4: DnsReply, ipv6: DnsReply | null): NameOutcome {
    const replies = ipv6 ? [ipv4, ipv6] : [ipv4];
    const good = replies.filter(({ rcode }) => rcode === 'NOERROR');
    if (good.length > 0)
      return {
        kind: 'found',
        addresses: good.flatMap(({ addresses }) => addresses),
        ttlMs: Math.min(...good.map(({ ttlMs }) => ttlMs)),
        unknownFamily: !isConclusive(ipv4) ? 4 : ipv6 && !isConclusive(ipv6) ? 6 : null,
      };
    const servers = new Set([...this.#ipv4.servers, ...(this.#ipv6?.servers ?? [])]);
    const asked: Asked = {
      name: this.#name,
      ipv4: ipv4.rcode,
      ipv6: ipv6 ? ipv6.rcode : null,
      servers: [...servers],
    };
    // NXDOMAIN is about the name, whatever the type (RFC 8020), so one family's word is enough for it.
    const absent = replies.every(isConclusive) || replies.some(({ rcode }) => rcode === 'NXDOMAIN');
    return { kind: absent ? 'absent' : replies.some(isSilence) ? 'timeout' : 'failed', asked };
  }
}

/** Waits for `question`, but no longer than the grace; then it is cancelled. */
async function withinGrace(question: FamilyQuestion, plan: QuestionPlan): Promise<void> {
  const timer = plan.clock.setTimer(() => question.cancel(), plan.graceMs);
  await question.reply;
  timer.cancel();
}
