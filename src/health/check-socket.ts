import { connect, type LookupFunction, type Socket, type TcpSocketConnectOpts } from 'node:net';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import { tlsFailure } from '../connection/tls-failure.ts';
import type { SecureSocket } from '../transport/secure-socket.ts';

/** What a check connects to. */
export type CheckPlace = {
  /** One of each family at most, the better one first. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** What TLS is made with, or null: in clear. */
  readonly secure: {
    readonly context: SecureContext;
    /** The name, or the address, that the certificate must have. */
    readonly serverName: string;
    /** What is offered to be spoken. */
    readonly protocols: readonly ('h2' | 'http/1.1')[];
  } | null;
};

/** How an opening ends, once, unless the socket is destroyed before. */
export interface OpeningOutcome {
  /** TCP stands, and TLS where there is any. */
  opened(socket: Socket): void;
  /** @param reason in words */
  openFailed(reason: string): void;
}

/**
 * The connection of one check: its own, so that a check says whether a new one comes about, and takes none from
 * requests. A whole handshake each time: a session that is resumed would hide that a certificate has expired.
 */
export class CheckSocket {
  readonly #socket: Socket;
  readonly #secure: SecureSocket | null;
  #connected = false;
  #outcome: OpeningOutcome | null;

  constructor(place: CheckPlace, outcome: OpeningOutcome) {
    this.#outcome = outcome;
    const options = connectOptions(place);
    this.#secure = place.secure === null ? null : openSecure(options, place.secure);
    this.#socket = this.#secure?.socket ?? connect(options);
    this.#socket.setNoDelay(true);
    this.#socket.once('connect', () => {
      this.#connected = true;
    });
    this.#socket.once(this.#secure === null ? 'connect' : 'secureConnect', () => this.#end()?.opened(this.#socket));
    // Also when nobody else listens any more: an error without a listener would end the process.
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end()?.openFailed(this.#wordsOf(error)));
    this.#socket.once('close', () => this.#end()?.openFailed(this.#wordsOf(null)));
  }

  /** What it is at, in words for who has waited too long. */
  get phase(): string {
    if (!this.#connected) return 'connecting';
    return this.#outcome === null ? 'waiting for the response' : 'in the TLS handshake';
  }

  destroy(): void {
    const unopened = this.#end() !== null;
    // An open one says goodbye first (close_notify), so that no server logs an error for each check.
    if (unopened) this.#socket.destroy();
    else this.#socket.destroySoon();
  }

  #end(): OpeningOutcome | null {
    const outcome = this.#outcome;
    this.#outcome = null;
    return outcome;
  }

  #wordsOf(error: NodeJS.ErrnoException | null): string {
    const tls = tlsFailure(error, { secure: this.#secure });
    if (tls !== null) return tls.message;
    if (error instanceof AggregateError) return error.errors.map(({ message }: Error) => message).join('; ');
    return error?.message ?? 'the connection was closed while it was opened';
  }
}

/** Where there are two addresses Node tries the other one too, a moment later (RFC 8305). */
function connectOptions({ addresses, port }: CheckPlace): TcpSocketConnectOpts {
  const [address = ''] = addresses;
  if (addresses.length === 1) return { host: address, port, autoSelectFamily: false };
  const found = addresses.map((each) => ({ address: each, family: each.includes(':') ? 6 : 4 }));
  const lookup: LookupFunction = (_name, _options, told) => told(null, found);
  // No name is looked up: this only stands for both addresses.
  return { host: 'endpoint.invalid', port, autoSelectFamily: true, lookup };
}

function openSecure(options: TcpSocketConnectOpts, secure: NonNullable<CheckPlace['secure']>): SecureSocket {
  const tls = process.getBuiltinModule('node:tls');
  const { isIP } = process.getBuiltinModule('node:net');
  const { context, serverName, protocols } = secure;
  const whole: ConnectionOptions & TcpSocketConnectOpts = {
    ...options,
    secureContext: context,
    // An address is no name for SNI (RFC 6066 section 3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ALPNProtocols: [...protocols],
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(serverName, certificate),
  };
  const socket = tls.connect(whole);
  const opened: SecureSocket = { socket, phase: 'connecting', certificate: null };
  socket.once('connect', () => {
    opened.phase = 'handshake';
  });
  socket.prependOnceListener('secure', () => {
    opened.phase = 'verifying';
    opened.certificate = socket.getPeerX509Certificate() ?? null;
  });
  socket.once('secureConnect', () => {
    opened.phase = 'established';
  });
  return opened;
}
