/**
 * What a scripted endpoint does with a request that has arrived whole, and with an idle connection. `ok` answers;
 * `reset-before-head` resets; `reset-in-body` sends half an answer, then resets; `apply-then-close` acts on every
 * fifth request of a method and closes without a word, which looks to the proxy like an idle connection just closed;
 * `unavailable` answers 503; `mute` reads and never answers; `flaky` resets and answers 503 in turn with `faultShare` of the
 * requests, spread evenly, and answers the others; `flaky-mute` never answers that share; `reset-idle` answers, and resets
 * `faultShare` of its connections a moment after an answer.
 */
const BEHAVIOURS = [
  'ok',
  'reset-before-head',
  'reset-in-body',
  'apply-then-close',
  'unavailable',
  'mute',
  'flaky',
  'flaky-mute',
  'reset-idle',
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export type EndpointScript = {
  readonly port: number;
  readonly behaviour: Behaviour;
  readonly backlog: number;
  /** The answer comes this long after the request, so that requests at once need a connection each. */
  readonly answerAfterMs: number;
  /** A connection without a request for this long is closed; 0: never. */
  readonly idleCloseMs: number;
  /**
   * The close is decided this long before it is seen, which stands for the way of the FIN through a network: a request
   * that arrives in between is not read, and is answered by a reset.
   */
  readonly closeLagMs: number;
  /** What share of requests (or of connections) meets a fault, where the behaviour has a share. */
  readonly faultShare: number;
};

/** What the parent may ask of an endpoint, and what it answers. */
export type Order = { readonly behaviour: Behaviour } | { readonly report: true };
export type EndpointReport = {
  readonly connections: number;
  /** Requests that arrived whole. */
  readonly requests: number;
  /** How often each request was acted on, by path. */
  readonly applied: readonly (readonly [path: string, times: number])[];
};

export function isOrder(value: unknown): value is Order {
  if (typeof value !== 'object' || value === null) return false;
  return 'report' in value || ('behaviour' in value && isBehaviour(value.behaviour));
}

export function isEndpointReport(value: unknown): value is EndpointReport {
  return typeof value === 'object' && value !== null && 'connections' in value && 'applied' in value;
}

function isBehaviour(value: unknown): value is Behaviour {
  return BEHAVIOURS.some((behaviour) => behaviour === value);
}
