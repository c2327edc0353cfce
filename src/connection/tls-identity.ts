import type { SecureContext } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { TlsPolicy } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import type { SecureTarget } from '../transport/secure-socket.ts';
import { readTlsContext, TlsFileError, tlsFilesVersion } from '../transport/tls-files.ts';
import type { SecureDial } from './secure-dial.ts';
import type { Lane } from './upstream.ts';

/** Files are looked at this often at most, when something is dialled. */
const LOOK_EVERY_MS = 1000;
/** Sessions that a lane keeps; OpenSSL gives two with a connection. */
const MAX_SESSIONS = 8;

/** Protocol names in the form of RFC 7301 section 3.1. */
function alpnList(...names: readonly string[]): Uint8Array {
  return Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])));
}

const OFFERS: Readonly<Record<Lane, Uint8Array>> = {
  http1: alpnList('http/1.1'),
  http2: alpnList('h2'),
  negotiate: alpnList('h2', 'http/1.1'),
};

/** Files as they were read: what connections are opened with until there is something better. */
type Loaded = { readonly context: SecureContext; readonly version: string };

/** One way to speak TLS to the destination. A session belongs to it alone: it was made for the same offer. */
class TlsLane implements SecureDial {
  readonly must: string | null;
  readonly #identity: TlsIdentity;
  readonly #alpn: Uint8Array;
  /** The newest last. */
  #sessions: Buffer[] = [];
  /** What the sessions were made with. */
  #context: SecureContext | null = null;

  constructor(identity: TlsIdentity, lane: Lane) {
    this.#identity = identity;
    this.#alpn = OFFERS[lane];
    this.must = lane === 'http2' ? 'h2' : null;
  }

  target(): SecureTarget {
    const context = this.#identity.context();
    // What was agreed on with other certificates says nothing about these.
    if (context !== this.#context) this.#sessions = [];
    this.#context = context;
    return {
      context,
      serverName: this.#identity.serverName,
      alpn: this.#alpn,
      session: this.#nextSession(),
      keepSession: (session) => this.#keep(session, context),
    };
  }

  /**
   * One of TLS 1.3 is best used once (RFC 8446 appendix C.4). But many servers give none with a connection that was resumed: the
   * last one is used again and again, as that of TLS 1.2, and who forbids that makes a whole handshake.
   */
  #nextSession(): Buffer | null {
    return (this.#sessions.length > 1 ? this.#sessions.pop() : this.#sessions[0]) ?? null;
  }

  #keep(session: Buffer, context: SecureContext): void {
    if (context !== this.#context) return;
    if (this.#sessions.push(session) > MAX_SESSIONS) this.#sessions.shift();
  }
}

/**
 * Who carpool is, and whom it believes, towards one destination: the pool's connections are all of one identity (rule 28).
 * Files are read with the first connection and again when they change; while new ones are of no use the old ones serve.
 */
export class TlsIdentity {
  readonly serverName: string;
  readonly #tls: TlsPolicy;
  readonly #destination: string;
  readonly #clock: Clock;
  readonly #events: EventSink;
  readonly #lanes: Readonly<Record<Lane, TlsLane>>;
  #loaded: Loaded | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Files that were of no use: they are not read again, nor told of again, before they change. */
  #refused: { readonly version: string; readonly error: TlsFileError } | null = null;

  /** @param host as the app calls it, without brackets */
  constructor(destination: string, host: string, tls: TlsPolicy, clock: Clock, events: EventSink) {
    this.#destination = destination;
    // A name that is absolute (`name.`) is in no certificate with its dot, nor in SNI (RFC 6066 section 3).
    this.serverName = tls.serverName ?? host.replace(/\.$/, '');
    this.#tls = tls;
    this.#clock = clock;
    this.#events = events;
    this.#lanes = {
      http1: new TlsLane(this, 'http1'),
      http2: new TlsLane(this, 'http2'),
      negotiate: new TlsLane(this, 'negotiate'),
    };
  }

  lane(lane: Lane): SecureDial {
    return this.#lanes[lane];
  }

  /** @throws TlsFileError where the files are of no use, and none were before */
  context(): SecureContext {
    const now = this.#clock.now();
    if (now - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#lookedAt = now;
      this.#look();
    }
    if (this.#loaded !== null) return this.#loaded.context;
    throw this.#refused?.error ?? new TypeError('TLS files were neither read nor refused');
  }

  #look(): void {
    const version = tlsFilesVersion(this.#tls);
    if (version === this.#loaded?.version) this.#refused = null;
    if (version === (this.#refused ?? this.#loaded)?.version) return;
    try {
      const first = this.#loaded === null;
      this.#loaded = { context: readTlsContext(this.#tls), version };
      this.#refused = null;
      if (!first) this.#events.emit({ type: 'tls_files_changed', destination: this.#destination });
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      this.#refused = { version, error };
      const message = `tls.${error.setting}: ${error.message}`;
      this.#events.emit({
        type: 'tls_files_refused',
        destination: this.#destination,
        message: this.#loaded === null ? message : `${message}; what was read before serves on`,
      });
    }
  }
}
