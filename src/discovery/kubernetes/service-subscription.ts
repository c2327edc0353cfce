import type { Clock, Timer } from '../../clock.ts';
import { CarpoolError } from '../../errors.ts';
import type { Discovery, DiscoveryState, EndpointSink, EndpointSubscription, SubscribeOptions } from '../discovery.ts';
import type { Problem, ProblemLog } from './discovery-log.ts';
import { DnsRelay } from './dns-relay.ts';
import { EndpointDiff } from './endpoint-diff.ts';
import type { ApiError } from './kube-api.ts';
import { SERVICE_NAME_LABEL, type ServiceFacts, type SliceFacts } from './objects.ts';
import { type Selection, selectEndpoints } from './select-endpoints.ts';
import type { ServiceCandidate } from './service-name.ts';
import type { ServiceRecord } from './service-record.ts';

/** The slices of one namespace, as a subscription sees them. */
export interface SliceSource {
  /** Begins to follow the Service's slices; each call is undone by one `unwant`. */
  want(service: string): void;
  unwant(service: string): void;
  /** null: not known yet. */
  slices(service: string): readonly SliceFacts[] | null;
  /** All that are known in the namespace. */
  allSlices(): readonly SliceFacts[];
  readonly error: ApiError | null;
  readonly connected: boolean;
}

export type Locality = { readonly nodeName: string | null; readonly zone: string | null };

/** What all subscriptions of a sidecar share. */
export type SubscriptionContext = {
  readonly dns: Discovery;
  readonly clock: Clock;
  readonly problems: ProblemLog;
  readonly firstLookupMs: number;
  /** Names that may be of the outside wait for the API server too. */
  readonly patient?: boolean;
  readonly preferFamily: 4 | 6;
  /** Picks the endpoint of a Service with session affinity: the same for all requests of the pod. */
  readonly affinityKey: string;
  locality(source: SliceSource): Locality;
};

export type SubscriptionTarget = {
  /** As the app wrote it. */
  readonly host: string;
  readonly port: number;
  readonly candidate: ServiceCandidate;
  readonly record: ServiceRecord;
  readonly source: SliceSource;
};

/**
 * Where the endpoints come from. `looking`: nothing is told yet, and DNS is asked when the time is over. `dns`: as DNS
 * says, since the name is no Service, or Kubernetes does not tell. `kubernetes`: as the EndpointSlices say.
 */
type State =
  | { readonly state: 'looking'; readonly deadline: Timer }
  | {
      readonly state: 'dns';
      readonly name: string;
      readonly relay: DnsRelay;
      readonly subscription: EndpointSubscription;
      readonly problem: Problem | null;
      /** As in the plan. */
      readonly gone: boolean;
    }
  | { readonly state: 'kubernetes'; readonly problem: Problem | null }
  | { readonly state: 'closed' };

/** What the answers of the API server, all together, ask for. */
type Plan =
  | { readonly go: 'wait' }
  /** `gone`: the Service is no more, so what its slices said is worth nothing. */
  | {
      readonly go: 'dns';
      readonly name: string;
      readonly externalName: string | null;
      readonly problem: Problem | null;
      readonly gone: boolean;
    }
  | { readonly go: 'kubernetes'; readonly service: ServiceFacts; readonly selection: Selection };

/**
 * One destination's interest in a name that may be a Service. It tells the endpoints of the slices where there are any,
 * those of DNS where not, and moves from one to the other without a moment in which the destination has none.
 */
export class ServiceSubscription implements EndpointSubscription {
  readonly #context: SubscriptionContext;
  readonly #target: SubscriptionTarget;
  readonly #sink: EndpointSink;
  readonly #options: SubscribeOptions;
  readonly #diff: EndpointDiff;
  readonly #closed: () => void;
  readonly #subject: string;
  #state: State;
  #wanting = false;
  /** Since when the watch tells nothing, or null: it stands. */
  #awaySince: number | null = null;
  #affinity: string | null = null;
  /** `name:port` of the slices' ports as seen last: when they change, the Service may have changed. */
  #ports: string | null = null;

  constructor(
    target: SubscriptionTarget,
    sink: EndpointSink,
    options: SubscribeOptions,
    context: SubscriptionContext,
    closed: () => void,
  ) {
    this.#target = target;
    this.#sink = sink;
    this.#options = options;
    this.#context = context;
    this.#closed = closed;
    this.#diff = new EndpointDiff(sink);
    const { namespace, service } = target.candidate;
    this.#subject = `service ${namespace}/${service}:${target.port}`;
    this.#state = {
      state: 'looking',
      deadline: context.clock.setTimer(() => this.#lookedLongEnough(), context.firstLookupMs),
    };
  }

  /** Once, when whoever made it can hear `closed`: takes what is known already. */
  start(dnsFirst = false): void {
    if (dnsFirst) this.#lookedLongEnough();
    this.update();
    // A name that is a Service by chance only is DNS's until the API server says otherwise.
    const { patient: always = false, firstLookupMs } = this.#context;
    const patient = (this.#target.candidate.certain || always) && firstLookupMs > 0;
    if (this.#state.state === 'looking' && !patient) this.#lookedLongEnough();
  }

  /** The Service's answer or its slices have changed. @returns whether an endpoint has left the rotation */
  update(): boolean {
    if (this.#state.state === 'closed') return false;
    const { connected } = this.#target.source;
    this.#awaySince = connected ? null : (this.#awaySince ?? this.#context.clock.now());
    const plan = this.#plan();
    if (plan.go === 'kubernetes') return this.#toKubernetes(plan.service, plan.selection);
    if (plan.go === 'dns') this.#toDns(plan.name, plan.externalName, plan.problem, plan.gone);
    return false;
  }

  describe(): DiscoveryState {
    const state = this.#state;
    if (state.state === 'dns') {
      const dns = state.subscription.describe();
      if (state.problem === null) return dns;
      const error = dns.error === null ? state.problem.message : `${state.problem.message}; ${dns.error}`;
      return { ...dns, error, hint: state.problem.hint };
    }
    if (state.state !== 'kubernetes') return { source: 'kubernetes', state: 'resolving', error: null, ageMs: null };
    const away = this.#target.source.error;
    const problem = state.problem ?? (away === null ? null : { message: away.message, hint: away.hint });
    const ageMs = this.#awaySince === null ? 0 : this.#context.clock.now() - this.#awaySince;
    const whole: DiscoveryState = { source: 'kubernetes', state: 'ready', error: problem?.message ?? null, ageMs };
    return problem === null ? whole : { ...whole, hint: problem.hint };
  }

  refresh(): void {
    if (this.#state.state === 'dns') this.#state.subscription.refresh();
  }

  close(): void {
    const state = this.#state;
    if (state.state === 'closed') return;
    this.#state = { state: 'closed' };
    if (state.state === 'looking') state.deadline.cancel();
    if (state.state === 'dns') state.subscription.close();
    if (this.#wanting) this.#target.source.unwant(this.#target.candidate.service);
    this.#context.problems.forget(this.#subject);
    this.#closed();
  }

  // --- what is to be done

  #plan(): Plan {
    const { host, candidate, record, source } = this.#target;
    const { answer } = record;
    const byDns = (problem: Problem | null, gone = false): Plan => ({
      go: 'dns',
      name: host,
      externalName: null,
      problem,
      gone,
    });
    if (answer.kind === 'asking') return { go: 'wait' };
    if (answer.kind === 'absent') return byDns(null, true);
    if (answer.kind !== 'found') return byDns(answer.error);
    const { facts } = answer;
    if (facts.externalName !== null) {
      // A DNS name is absolute there: the search list is not for it.
      const name = facts.externalName.endsWith('.') ? facts.externalName : `${facts.externalName}.`;
      return { go: 'dns', name: name.toLowerCase(), externalName: facts.externalName, problem: null, gone: true };
    }
    // Only pods of headless Services have names of their own.
    if (candidate.hostname !== null && !facts.headless) return byDns(null, true);
    if (!this.#wanting) {
      this.#wanting = true;
      source.want(candidate.service);
    }
    const slices = source.slices(candidate.service);
    // A right that was taken away: what was known grows old. (A watch that is open has it still.)
    if (source.error?.kind === 'forbidden' && !source.connected) return byDns(source.error);
    if (slices === null) return source.error === null ? { go: 'wait' } : byDns(source.error);
    this.#portsSeen(slices);
    if (slices.length === 0 && !facts.hasSelector) return byDns(withoutSelector(facts));
    const { port } = this.#target;
    const { preferFamily } = this.#context;
    const { hostname } = candidate;
    const locality = this.#context.locality(source);
    const selection = selectEndpoints({ service: facts, slices, port, hostname, locality, preferFamily });
    if (selection.problem !== null && selection.endpoints.size === 0) return byDns(selection.problem);
    return { go: 'kubernetes', service: facts, selection };
  }

  /** Asks for the Service anew when the ports of its slices change, or the last of its slices goes. */
  #portsSeen(slices: readonly SliceFacts[]): void {
    const ports = slices.flatMap((slice) => slice.ports.map(({ name, port }) => `${name}:${port}`));
    const seen = [...new Set(ports)].sort().join();
    if (seen === this.#ports) return;
    const first = this.#ports === null;
    this.#ports = seen;
    if (!first) this.#target.record.outdated();
  }

  #lookedLongEnough(): void {
    if (this.#state.state === 'looking') this.#toDns(this.#target.host, null, null, false);
  }

  // --- moving

  #toKubernetes(service: ServiceFacts, selection: Selection): boolean {
    const before = this.#state;
    if (before.state === 'closed') return false;
    const slices = this.#target.source.slices(service.name) ?? [];
    const empty = noneServes(service, selection, this.#target.candidate.hostname);
    const problem = selection.problem ?? empty ?? unreadable(slices);
    this.#state = { state: 'kubernetes', problem };
    this.#dnsAnswer = null;
    this.#tell(problem);
    if (before.state === 'looking') before.deadline.cancel();
    const affinity = service.clientIpAffinity ? this.#context.affinityKey : null;
    if (affinity !== this.#affinity) {
      this.#affinity = affinity;
      this.#sink.affinity(affinity);
    }
    const left = this.#diff.apply(selection.endpoints);
    if (before.state === 'dns') before.subscription.close();
    if (this.#isClosed()) return left;
    if (before.state === 'dns') before.relay.retract((id) => this.#diff.has(id));
    this.#sink.settled(empty === null ? null : new CarpoolError('NO_ENDPOINTS', empty.message, { hint: empty.hint }));
    return left;
  }

  #toDns(name: string, externalName: string | null, problem: Problem | null, gone: boolean): void {
    const before = this.#state;
    if (before.state === 'closed') return;
    this.#tell(problem);
    if (before.state === 'looking') before.deadline.cancel();
    if (before.state === 'dns' && before.name === name) {
      this.#state = { ...before, problem, gone };
      const answer = this.#dnsAnswer;
      if (answer !== null && (answer.held || (gone && !before.gone))) this.#dnsSettled(before.relay, answer.error);
      return;
    }
    if (before.state === 'dns') before.subscription.close();
    this.#dnsAnswer = null;
    const last = before.state === 'dns' ? before.relay : null;
    // What DNS has cached is told before `subscribe` returns, and heard when the relay is in force.
    const early: (CarpoolError | null)[] = [];
    let inForce = false;
    const relay = new DnsRelay(this.#sink, externalName, last, (error) => {
      if (inForce) this.#dnsSettled(relay, error);
      else early.push(error);
    });
    const subscription = this.#context.dns.subscribe(name, this.#target.port, relay, this.#options);
    inForce = true;
    if (this.#isClosed()) {
      subscription.close();
      return;
    }
    this.#state = { state: 'dns', name, relay, subscription, problem, gone };
    for (const error of early) this.#dnsSettled(relay, error);
  }

  /** Asked after calls to the sink, which may have closed this. */
  #isClosed(): boolean {
    return this.#state.state === 'closed';
  }

  /** What DNS said last. `held`: nobody was told yet, for the API server may still have a better answer. */
  #dnsAnswer: { readonly error: CarpoolError | null; readonly held: boolean } | null = null;

  #dnsSettled(relay: DnsRelay, error: CarpoolError | null): void {
    if (this.#state.state !== 'dns' || this.#state.relay !== relay) return;
    // DNS has nothing, but the API server may yet: who waits is not told that there is nothing.
    const held = error !== null && this.#plan().go === 'wait';
    this.#dnsAnswer = { error, held };
    if (held) return;
    // What was known before goes when DNS has others, or when it is known to be wrong.
    if (error === null || this.#state.gone) {
      this.#diff.clear((id) => relay.has(id));
      relay.retractBefore();
      if (this.#affinity !== null) this.#sink.affinity(null);
      this.#affinity = null;
    }
    this.#sink.settled(error === null || this.#state.problem === null ? error : withReason(error, this.#state.problem));
  }

  #tell(problem: Problem | null): void {
    const { problems } = this.#context;
    // What concerns the whole namespace or the API server has its own line.
    const own = problem !== null && !(problem instanceof Error);
    if (own) problems.set(this.#subject, problem);
    else problems.clear(this.#subject);
  }
}

/** DNS has no better answer, and the reason why DNS was asked tells the app more. */
function withReason(error: CarpoolError, problem: Problem): CarpoolError {
  return new CarpoolError(error.code, `${problem.message}; and ${error.message}`, { hint: problem.hint, cause: error });
}

/** No endpoint that could take a request, and why. */
function noneServes(service: ServiceFacts, selection: Selection, hostname: string | null): Problem | null {
  for (const { condition } of selection.endpoints.values())
    if (condition === 'ready' || condition === 'serving') return null;
  const name = `Service ${service.namespace}/${service.name}`;
  if (hostname !== null && selection.endpoints.size === 0)
    return {
      message: `${name} has no endpoint with the host name ${hostname}`,
      hint: 'A pod has a name there by its spec.hostname and spec.subdomain, as those of a StatefulSet have; it may also be gone.',
    };
  return {
    message: `${name} has no endpoint that serves (${selection.endpoints.size} not ready)`,
    hint: 'Look at its pods and their readiness, and whether its selector matches them.',
  };
}

function withoutSelector({ namespace, name }: ServiceFacts): Problem {
  return {
    message: `Service ${namespace}/${name} has no selector and no EndpointSlices; its name goes by DNS`,
    hint: `Give it a selector, or an EndpointSlice with the label ${SERVICE_NAME_LABEL}.`,
  };
}

/** What was left out of the slices because it cannot be. */
function unreadable(slices: readonly SliceFacts[]): Problem | null {
  for (const { namespace, name, problems } of slices) {
    const [first] = problems;
    if (first === undefined) continue;
    return {
      message: `EndpointSlice ${namespace}/${name}: ${first}`,
      hint: 'What cannot be an endpoint is left out; mend the object, or whatever writes it.',
    };
  }
  return null;
}
