import type { Clock } from '../clock.ts';
import type { UpstreamProtocol } from '../config/types.ts';
import type { Lane, PrefaceAnswer, ProtocolNeed, Spoken } from '../connection/upstream.ts';

/** How long an endpoint counts as HTTP/1.1 after it has shown that it speaks nothing else. */
const REMEMBERED_MS = 600_000;
/** So many connections in a row that ended at the preface without a byte are an answer too: a server that stops does that once. */
const SILENT_ENDS = 2;

/**
 * What a Service's `appProtocol` says about HTTP/2: Kubernetes' own name (KEP-3726), and the names that meshes read.
 * `http` and the names for WebSocket do not say that HTTP/2 is not spoken, `https` and `kubernetes.io/wss` are about TLS that
 * the app makes itself, and gRPC-Web goes by either protocol: there the app's own protocol decides, as without any.
 */
const SAYS_HTTP2: ReadonlySet<string> = new Set(['kubernetes.io/h2c', 'h2c', 'http2', 'grpc']);

/** What one endpoint is spoken to: by what the configuration, its Service and its own answers say. */
export class EndpointProtocol {
  /** Its Service says that it speaks HTTP/2. */
  #declared = false;
  /** A parent proxy is between: in clear that takes whole URLs, by HTTP/1.1, and few let anything else through. */
  readonly #byProxy: boolean;
  /** It has spoken HTTP/2. */
  #proven = false;
  /** How many exchanges at a time it allowed on its last HTTP/2 connection; null: not known. */
  peerStreams: number | null = null;
  #http1Until = Number.NEGATIVE_INFINITY;
  #silentEnds = 0;
  readonly #clock: Clock;

  constructor(clock: Clock, byProxy = false) {
    this.#clock = clock;
    this.#byProxy = byProxy;
  }

  /** What its Service's port says (`appProtocol`). */
  declare(appProtocol: string | undefined): void {
    this.#declared = appProtocol !== undefined && SAYS_HTTP2.has(appProtocol.toLowerCase());
  }

  /**
   * What to speak to it for a request.
   * @param configured the destination's `protocol`
   */
  lane(need: ProtocolNeed, configured: UpstreamProtocol, secure: boolean): Lane {
    if (need === 'http1' || need === 'http2') return need;
    if (configured !== 'auto') return configured;
    if (secure) return 'negotiate';
    if (this.#declared) return 'http2';
    return need === 'as_http1' || this.#byProxy || this.#knownHttp1() ? 'http1' : 'http2';
  }

  /** Whether several requests may wait for one connect in this lane, for it may become a connection that they can share. */
  mayShare(lane: Lane): boolean {
    return lane === 'http2' || (lane === 'negotiate' && !this.#knownHttp1());
  }

  /** Whether HTTP/2 in clear is a guess still, so that nothing may be sent before the peer has shown that it speaks it. */
  mustProve(configured: UpstreamProtocol): boolean {
    return configured !== 'http2' && !this.#declared && !this.#proven;
  }

  /** It answered HTTP/2's preface. */
  answered(answer: PrefaceAnswer): void {
    if (answer === 'http2') this.spoke('http2');
    else if (answer === 'other' || (answer === 'closed' && ++this.#silentEnds >= SILENT_ENDS)) this.spoke('http1');
  }

  /** It has shown what it speaks where it could have spoken either. */
  spoke(spoken: Spoken): void {
    this.#silentEnds = 0;
    this.#proven = spoken === 'http2';
    this.#http1Until = this.#proven ? Number.NEGATIVE_INFINITY : this.#clock.now() + REMEMBERED_MS;
  }

  #knownHttp1(): boolean {
    return this.#http1Until > 0 && this.#clock.now() < this.#http1Until;
  }
}
