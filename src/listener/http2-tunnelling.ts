import { CarpoolError } from '../errors.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Head } from '../protocol/head.ts';
import { SCAN_DONE } from '../protocol/http1/head-scanner.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { connectTarget } from './connect.ts';
import { Http2Connect, type StreamConnectOutcome } from './http2-connect.ts';
import type { ListenerContext } from './listener-context.ts';
import { ReadAhead } from './read-ahead.ts';
import { StreamTunnel, type TunnelStream } from './stream-tunnel.ts';
import { acceptedFields, asksForWebSocket, upgradeRequest, webSocketKey } from './websocket-upgrade.ts';

/** The stream that is to become a tunnel. */
export interface TunnelOwner extends TunnelStream {
  /** END_STREAM has come. */
  readonly remoteEnded: boolean;
  /** The answer that opens the tunnel: 200 with these fields. */
  sendTunnelHead(fields: readonly (readonly [string, string])[]): void;
  tunnelRefused(error: CarpoolError, destination: Destination): void;
}

/**
 * opening: a CONNECT waits for its upstream connection (`connect`), or an extended CONNECT for the answer to its Upgrade (`key`).
 * open: bytes pass. over: neither any more.
 */
type State =
  | { readonly state: 'opening'; readonly connect: Http2Connect | null; readonly key: string | null }
  | { readonly state: 'open'; readonly tunnel: StreamTunnel }
  | { readonly state: 'over' };

/** The way of one stream from CONNECT (plain, or for WebSocket: RFC 8441) to a tunnel. */
export class Http2Tunnelling implements StreamConnectOutcome {
  readonly #owner: TunnelOwner;
  readonly #context: ListenerContext;
  /** What the app has sent before there was somebody to take it. */
  readonly #early: ReadAhead;
  #state: State = { state: 'over' };

  constructor(owner: TunnelOwner, context: ListenerContext) {
    this.#owner = owner;
    this.#context = context;
    this.#early = new ReadAhead(context.budget);
  }

  /** @throws CarpoolError where the CONNECT is refused at once */
  begin(head: Head): void {
    const { destination, trace } = connectTarget(head, this.#context);
    // What is spoken inside is not looked at: to any port it is a tunnel.
    this.#context.tunnels.admit();
    const connect = new Http2Connect(destination, this, trace);
    this.#state = { state: 'opening', connect, key: null };
    connect.begin();
  }

  /**
   * The Upgrade that asks an HTTP/1.1 server for what an extended CONNECT asks for; valid till the next request is scanned.
   * @throws CarpoolError where it asks for something else
   */
  asUpgrade(head: Head): Head {
    if (!asksForWebSocket(head)) {
      const message = 'the only protocol that CONNECT may ask for by HTTP/2 is websocket';
      throw new CarpoolError('BAD_REQUEST', message, { status: 501, hint: 'Open other protocols by CONNECT alone.' });
    }
    if (!this.#context.config.http2.webSocket) {
      throw new CarpoolError('BAD_REQUEST', 'WebSocket over HTTP/2 is switched off', {
        status: 501,
        hint: 'Set http2.webSocket: true, or let the app open WebSockets by HTTP/1.1.',
      });
    }
    const key = webSocketKey();
    const text = upgradeRequest(head, key);
    const scanner = this.#context.requestScanner;
    if (scanner.scanRequest(text, 0, text.length) !== SCAN_DONE)
      throw new CarpoolError('BAD_REQUEST', scanner.fault.rule);
    // Its cookies are joined as those of other requests that came by HTTP/2, and Via says so.
    scanner.head.http2 = true;
    this.#state = { state: 'opening', connect: null, key };
    return scanner.head;
  }

  get open(): boolean {
    return this.#state.state === 'open';
  }

  // --- the app

  data(buffer: Buffer, start: number, end: number): void {
    if (this.#state.state === 'open') this.#state.tunnel.data(buffer, start, end);
    else if (this.#state.state === 'opening' && !this.#early.add(buffer, start, end)) this.#owner.pauseRequest();
  }

  appEnded(): void {
    if (this.#state.state === 'open') this.#state.tunnel.appEnded();
  }

  writable(): void {
    if (this.#state.state === 'open') this.#state.tunnel.writable();
  }

  /** The stream is gone, or its answer was no tunnel. */
  over(): void {
    const before = this.#state;
    this.#state = { state: 'over' };
    this.#early.take();
    if (before.state === 'opening') before.connect?.cancel();
    else if (before.state === 'open') before.tunnel.appLost();
  }

  // --- the upstream

  /** 101 to the Upgrade. @returns false: it does not answer what was asked */
  upgraded(head: Head, upstream: ByteSocket, rest: Buffer, destination: Destination, place: TunnelPlace): boolean {
    const key = this.#state.state === 'opening' ? this.#state.key : null;
    const fields = key === null ? null : acceptedFields(head, key);
    if (fields !== null) this.#open(fields, upstream, rest, destination, place);
    else {
      upstream.destroy();
      place.closed();
    }
    return fields !== null;
  }

  tunnelOpen(upstream: ByteSocket, destination: Destination, place: TunnelPlace): void {
    this.#open([], upstream, Buffer.alloc(0), destination, place);
    destination.observer.requestEnded(2, 200, 0, 1);
  }

  connectFailed(error: CarpoolError, destination: Destination): void {
    this.#state = { state: 'over' };
    destination.observer.failed(error);
    destination.observer.requestEnded(2, error.status, 0, 1);
    this.#owner.tunnelRefused(error, destination);
  }

  #open(
    fields: readonly (readonly [string, string])[],
    upstream: ByteSocket,
    toApp: Buffer,
    destination: Destination,
    place: TunnelPlace,
  ): void {
    this.#owner.sendTunnelHead(fields);
    const first = { toApp, toUpstream: this.#early.take() };
    const { streamIdleMs } = destination.policy.timeouts;
    const tunnel = new StreamTunnel(this.#owner, upstream, streamIdleMs, first, this.#context.tunnels, place);
    this.#state = { state: 'open', tunnel };
    if (this.#owner.remoteEnded) tunnel.appEnded();
  }
}
