import type { DestinationConfig } from '../config/types.ts';
import { CarpoolError } from '../errors.ts';
import type { ExchangePlan } from '../forward/forward-context.ts';
import { equalsIgnoringCase } from '../protocol/bytes.ts';
import type { Fault } from '../protocol/field-facts.ts';
import { FIELD_VIA } from '../protocol/field-names.ts';
import { FORM_ABSOLUTE, FORM_ASTERISK, type Head, METHOD_CONNECT } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ConnectTarget } from './connect.ts';
import type { ListenerContext } from './listener-context.ts';
import { pathAlone, spokenWrongly } from './misuse.ts';

/** The one destination that a local port serves. */
export type LocalDestination = {
  readonly host: string;
  readonly port: number;
  /** What Host says upstream. */
  readonly authority: Buffer;
  readonly basePath: Buffer;
};

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** The destination that an entry with a local port names; the port of http or https where it names none. */
export function localDestination({ match, basePath, policy }: DestinationConfig): LocalDestination {
  const usual = policy.tls.originate ? 443 : 80;
  const port = match.port ?? usual;
  const authority = port === usual ? bracketed(match.host) : `${bracketed(match.host)}:${port}`;
  return {
    host: match.host,
    port,
    authority: Buffer.from(authority, 'latin1'),
    basePath: Buffer.from(basePath.replace(/\/$/, ''), 'latin1'),
  };
}

/** `http://name` and `https://name` are two destinations: `secure` says which one it is. */
type Remembered = { readonly authority: Buffer; readonly secure: boolean; readonly destination: Destination };

const MEMO_SLOTS = 128;

const NO_PREFIX = Buffer.alloc(0);

/**
 * Decides where a request goes and what its head becomes: the destination by the target, what concerns this hop (Via,
 * Upgrade). One for each listening socket.
 */
export class RequestPlanner {
  readonly #context: ListenerContext;
  readonly #local: LocalDestination | null;
  /** The CONNECT inside of which the requests come, or null. */
  readonly #inside: ConnectTarget | null;
  /** Authorities as bytes, each in the slot of its hash: names that share one push each other out. */
  readonly #memo: (Remembered | undefined)[];
  #slot = 0;
  #lastPlan: ExchangePlan | null = null;
  #lastFixed: Destination | null = null;

  /** @param local the one destination of a local port, or null @param inside the CONNECT that the requests come in, or null */
  constructor(context: ListenerContext, local: LocalDestination | null, inside: ConnectTarget | null = null) {
    this.#context = context;
    this.#local = local;
    this.#inside = inside;
    this.#lastFixed = inside?.destination ?? null;
    this.#memo = new Array(local === null && inside === null ? MEMO_SLOTS : 0).fill(undefined);
  }

  /** @throws CarpoolError where no new exchange can be taken */
  admit(head: Head): void {
    // What carpool answers as the last in the chain is a look at it (`carpool doctor`), no call of the app.
    if (head.maxForwards !== 0) this.#context.requestSeen = true;
    // An extended CONNECT names a path: it is a request like others.
    const tunnel = head.method === METHOD_CONNECT && head.protocolEnd === head.protocolStart;
    if (this.#local !== null && tunnel) {
      throw new CarpoolError('BAD_REQUEST', 'a local port serves its one destination, and no tunnels', {
        hint: 'Send CONNECT to the main port (HTTPS_PROXY).',
      });
    }
    if (this.#inside !== null && tunnel) {
      throw new CarpoolError('BAD_REQUEST', 'there is no CONNECT inside of a CONNECT');
    }
    if (this.#context.phase === 'refusing') throw new CarpoolError('SHUTTING_DOWN', 'the sidecar is stopping');
    const { budget } = this.#context;
    if (budget.exhausted) {
      throw new CarpoolError(
        'OVERLOADED',
        `${budget.used} of ${budget.max} bytes are held for exchanges (limits.bufferBytes)`,
      );
    }
  }

  /** @throws CarpoolError that says why the request goes nowhere */
  plan(head: Head): ExchangePlan {
    const local = this.#local;
    const body = head.chunked || head.contentLength > 0;
    const inside = this.#inside;
    const destination =
      inside !== null ? this.#within(inside, head) : local !== null ? this.#fixed(local) : this.#named(head);
    const upgrade = head.upgradeField >= 0 && this.#mayUpgrade(head, body);
    if (upgrade) this.#context.tunnels.admit();
    const extraLines = this.#ownLines(head);
    const close = !destination.policy.pool.enabled;
    const { headers } = destination;
    const edits = headers === null ? null : headers.current();
    // Inside a CONNECT Host stays as it is; HTTP/1.0 may have none.
    const hostless = inside !== null && head.hostField < 0 && !head.http2;
    const usual = !upgrade && extraLines === null && head.form !== FORM_ASTERISK && !hostless;
    const last = this.#lastPlan;
    // Most requests are to be treated as the one before: plans are never changed, so one serves many.
    const same = last?.destination === destination && last.body === body && last.options.close === close;
    if (usual && same && last.options.edits === edits) return last;
    const plan: ExchangePlan = {
      destination,
      body,
      options: {
        authority: hostless ? inside.authority : (local?.authority ?? null),
        pathPrefix: local === null || head.form === FORM_ASTERISK ? NO_PREFIX : local.basePath,
        upgrade,
        close,
        extraLines,
        edits,
      },
    };
    if (usual) this.#lastPlan = plan;
    return plan;
  }

  /** What is said to an app whose bytes are no request. */
  misread(fault: Fault): CarpoolError {
    return spokenWrongly(fault, this.#local, this.#context.proxyUrl);
  }

  /** The destination's name for an error answer, as far as it can be told. */
  nameOf(head: Head): string | null {
    const fixed = this.#local ?? this.#inside;
    if (fixed !== null) return `${bracketed(fixed.host)}:${fixed.port}`;
    return head.authorityEnd > head.authorityStart
      ? head.buffer.toString('latin1', head.authorityStart, head.authorityEnd)
      : null;
  }

  #fixed({ host, port }: LocalDestination | ConnectTarget): Destination {
    const last = this.#lastFixed;
    if (last !== null && !last.closed) {
      last.usedAt = this.#context.lastRequestAt;
      return last;
    }
    const destination = this.#context.router.find(host, port);
    this.#lastFixed = destination;
    return destination;
  }

  /** Inside a CONNECT all goes where that went. By HTTP/2 every request has an authority, which need not be the server's address. */
  #within(inside: ConnectTarget, head: Head): Destination {
    if (head.form === FORM_ABSOLUTE && !head.http2) {
      const { buffer, authorityStart, hostEnd, port, secure } = head;
      const same = equalsIgnoringCase(buffer, authorityStart, hostEnd, bracketed(inside.host.toLowerCase()));
      if (!same || secure || (port === -1 ? 80 : port) !== inside.port) {
        throw new CarpoolError('BAD_REQUEST', 'the target of a request inside a CONNECT must be that of the CONNECT');
      }
    }
    return this.#fixed(inside);
  }

  #named(head: Head): Destination {
    if (head.form !== FORM_ABSOLUTE) {
      if (this.#context.config.listener.originForm !== 'route') {
        throw pathAlone(head, this.#context);
      }
      if (head.hostField < 0)
        throw new CarpoolError('BAD_REQUEST', 'neither target nor Host says where the request is to go');
    }
    return this.#remembered(head) ?? this.#find(head);
  }

  /** The destination of an authority that was seen before, without making a string of it. */
  #remembered(head: Head): Destination | null {
    const { buffer, authorityStart, authorityEnd, secure } = head;
    let hash = secure ? 7 : 5;
    for (let at = authorityStart; at < authorityEnd; at++) hash = Math.imul(hash ^ (buffer[at] ?? 0), 16777619);
    this.#slot = (hash ^ (hash >>> 15)) & (MEMO_SLOTS - 1);
    const seen = this.#memo[this.#slot];
    if (seen === undefined || seen.destination.closed || seen.authority.length !== authorityEnd - authorityStart)
      return null;
    const { authority } = seen;
    if (seen.secure !== secure) return null;
    for (let at = 0; at < authority.length; at++) if (authority[at] !== buffer[authorityStart + at]) return null;
    seen.destination.usedAt = this.#context.lastRequestAt;
    return seen.destination;
  }

  #find(head: Head): Destination {
    const { buffer, authorityStart, authorityEnd, secure } = head;
    const host = buffer.toString('latin1', authorityStart, head.hostEnd);
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    const destination = this.#context.router.find(bare, head.port === -1 ? (secure ? 443 : 80) : head.port, secure);
    const authority = Buffer.from(buffer.subarray(authorityStart, authorityEnd));
    this.#memo[this.#slot] = { authority, secure, destination };
    return destination;
  }

  /** An Upgrade passes alone and for configured protocols; any other is left out and the request goes on (rule 10). */
  #mayUpgrade(head: Head, body: boolean): boolean {
    if (!head.upgradeNominated || body || head.minor === 0) return false;
    const start = head.valueStarts[head.upgradeField] ?? 0;
    const end = head.valueEnds[head.upgradeField] ?? 0;
    return this.#context.config.listener.upgradeProtocols.some((protocol) =>
      equalsIgnoringCase(head.buffer, start, end, protocol),
    );
  }

  /** Lines that carpool adds, or null. */
  #ownLines(head: Head): Buffer | null {
    const { via } = this.#context.config;
    const adds = via.mode === 'request' || via.mode === 'both';
    if (!adds) return null;
    this.#refuseLoop(head);
    return Buffer.from(`via: ${head.http2 ? '2' : `1.${head.minor}`} ${this.#context.viaToken}\r\n`, 'latin1');
  }

  #refuseLoop(head: Head): void {
    if (head.viaField < 0) return;
    let seen = 0;
    for (let index = 0; index < head.fieldCount; index++) {
      if (head.idAt(index) === FIELD_VIA) seen += head.valueText(index).split(this.#context.viaToken).length - 1;
    }
    if (seen > this.#context.config.via.maxSelf) {
      throw new CarpoolError('LOOP', `the request has passed this process ${seen} times`);
    }
  }
}
