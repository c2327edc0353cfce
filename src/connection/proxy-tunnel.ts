import type { Proxied } from '../discovery/discovery.ts';
import { Head } from '../protocol/head.ts';
import { HeadScanner, SCAN_DONE, SCAN_MORE } from '../protocol/http1/head-scanner.ts';
import { WRITE_HIGH_WATER } from '../transport/byte-socket.ts';
import { connectRaw, type RawSocket } from '../transport/raw-socket.ts';
import type { DialFailure } from './dial-failure.ts';
import { bracketed, type ProxyRefusal, refusedWith, unreadable } from './proxy-refusal.ts';
import { type TlsFailure, tlsFailure } from './tls-failure.ts';

/** The head of the proxy's answer. */
const LIMITS = { maxHeadBytes: 16 * 1024, maxFields: 100, maxTargetBytes: 1024 };

/** Hears once how it ended, and never from within the constructor. */
export interface TunnelOutcome {
  /** The proxy has joined both sides. @param rest what came behind its answer; nobody listens to the socket yet */
  tunnelOpened(opened: RawSocket, rest: Buffer): void;
  tunnelFailed(failure: DialFailure): void;
}

/** `dialling`: TCP, and TLS to the proxy. `asked`: CONNECT is sent, its answer is awaited. */
type Stage = 'dialling' | 'asked' | 'over';

/** A connection to one address of a parent proxy that is to become a tunnel: CONNECT and its answer (RFC 9110 section 9.3.6). */
export class ProxyTunnel {
  readonly #proxied: Proxied;
  readonly #outcome: TunnelOutcome;
  readonly #opened: RawSocket;
  #stage: Stage = 'dialling';
  #error: NodeJS.ErrnoException | null = null;
  #received: Buffer = Buffer.alloc(0);

  /** @throws TlsFileError where TLS to the proxy has no files that are of use */
  constructor(
    { address, port, keepAliveMs }: { readonly address: string; readonly port: number; readonly keepAliveMs: number },
    proxied: Proxied,
    outcome: TunnelOutcome,
  ) {
    this.#proxied = proxied;
    this.#outcome = outcome;
    const where = { address, port, keepAliveMs };
    this.#opened = connectRaw(where, proxied.proxy.secure(), WRITE_HIGH_WATER, () => this.#ask());
    const { socket } = this.#opened;
    // It stays when the socket is somebody else's: an error that nobody hears would end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= error;
      if (this.#opened.secure !== null) socket.destroy();
    });
    socket.on('close', this.#onClose);
  }

  /** CONNECT was sent, and is not answered yet. */
  get asked(): boolean {
    return this.#stage === 'asked';
  }

  get shakesHands(): boolean {
    const phase = this.#opened.secure?.phase;
    return this.#stage === 'dialling' && (phase === 'handshake' || phase === 'verifying');
  }

  destroy(): void {
    if (this.#stage === 'over') return;
    this.#leave();
    this.#opened.socket.destroy();
  }

  #ask(): void {
    if (this.#stage !== 'dialling') return;
    this.#stage = 'asked';
    const { socket } = this.#opened;
    const { host, port, proxy } = this.#proxied;
    const authority = `${bracketed(host)}:${port}`;
    const lines = Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n`, 'latin1');
    socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd);
    socket.write(Buffer.concat([lines, proxy.credentials() ?? Buffer.alloc(0), Buffer.from('\r\n')]));
  }

  readonly #onReadable = (): void => {
    const chunk: unknown = this.#opened.socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#read();
  };

  #read(): void {
    const scanner = new HeadScanner(new Head(LIMITS.maxFields), LIMITS);
    while (this.#stage === 'asked' && this.#received.length > 0) {
      const result = scanner.scanResponse(this.#received, 0, this.#received.length);
      if (result === SCAN_MORE) return;
      const { status, end } = scanner.head;
      this.#received = this.#received.subarray(end);
      if (result !== SCAN_DONE) this.#refused(unreadable(this.#proxied, scanner.fault.rule));
      else if (status === 101) this.#refused(unreadable(this.#proxied, 'it switched protocols'));
      else if (status >= 300) this.#refused(refusedWith(status, this.#proxied, 'CONNECT'));
      else if (status >= 200) this.#open();
    }
  }

  #open(): void {
    this.#leave();
    this.#outcome.tunnelOpened(this.#opened, this.#received);
  }

  #refused(refusal: ProxyRefusal): void {
    const { code, message } = refusal;
    this.#fail({ errno: code, message, timedOut: false, tls: null, refusal });
  }

  readonly #onEnd = (): void => this.#closedEarly(null);

  readonly #onClose = (): void => {
    const error = this.#error;
    const tls = tlsFailure(error, this.#opened);
    if (tls !== null) this.#fail({ errno: tls.code, message: tls.message, timedOut: false, tls: ofProxy(tls) });
    else this.#closedEarly(error);
  };

  #closedEarly(error: NodeJS.ErrnoException | null): void {
    const before = this.#stage === 'asked' ? 'before it answered CONNECT' : 'while it was opened';
    this.#fail({
      errno: error?.code ?? 'ECONNRESET',
      message: error?.message ?? `the parent proxy closed the connection ${before}`,
      timedOut: error?.code === 'ETIMEDOUT',
      tls: null,
    });
  }

  #fail(failure: DialFailure): void {
    if (this.#stage === 'over') return;
    this.destroy();
    this.#outcome.tunnelFailed(failure);
  }

  /** The socket is somebody else's from now on, or nobody's. */
  #leave(): void {
    this.#stage = 'over';
    const { socket } = this.#opened;
    socket.off('readable', this.#onReadable);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
  }
}

/** A failure of TLS to the proxy, told of the settings that are about it. */
export function ofProxy(failure: TlsFailure): TlsFailure {
  return {
    ...failure,
    toProxy: true,
    message: `TLS to the parent proxy: ${failure.message}`,
    hint: 'Check egress.parentProxy.url and the certificate of the proxy; egress.parentProxy.ca names a file with its CA.',
  };
}
