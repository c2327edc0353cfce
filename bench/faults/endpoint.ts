import { createServer, type Socket } from 'node:net';
import { systemClock, type Timer } from '../../src/clock.ts';
import { type Behaviour, type EndpointReport, type EndpointScript, isOrder } from './endpoint-script.ts';
import { type ReadRequest, RequestReader } from './request-reader.ts';

const BODY = 'a'.repeat(1024);
const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy';
/** After an answer: the connection is in the pool by then, idle or taken again. */
const RESET_IDLE_AFTER_MS = 3;
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n`;

/** A scripted endpoint, in a process of its own so that it can be stopped like a process. Started by EndpointProcess. */
class ScriptedEndpoint {
  readonly #script: EndpointScript;
  readonly #applied = new Map<string, number>();
  readonly #seen = new Map<string, number>();
  #connections = 0;
  #requests = 0;
  /** Grows by the share with each request; a fault is due when it passes a whole number. */
  #due = 0;
  #faults = 0;
  behaviour: Behaviour;

  constructor(script: EndpointScript) {
    this.#script = script;
    this.behaviour = script.behaviour;
  }

  listen(listening: () => void): void {
    const { port, backlog } = this.#script;
    const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => this.#serve(socket));
    server.listen({ port, host: '127.0.0.1', backlog }, listening);
  }

  report(): EndpointReport {
    return { connections: this.#connections, requests: this.#requests, applied: [...this.#applied] };
  }

  #serve(socket: Socket): void {
    this.#connections++;
    const reader = new RequestReader();
    const idle = new IdleClose(socket, this.#script);
    idle.restart();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => idle.stop());
    socket.on('data', (bytes: Buffer) => {
      if (!idle.mayRead()) return;
      for (const request of reader.take(bytes)) this.#act(socket, idle, request);
    });
  }

  /** Whether this request (or connection) is one of the share that meets a fault. */
  #meetsFault(): boolean {
    const before = Math.floor(this.#due);
    this.#due += this.#script.faultShare;
    return Math.floor(this.#due) > before;
  }

  /** What happens to this request, where the behaviour leaves it open. */
  #kindOf(behaviour: Behaviour): Behaviour {
    if (behaviour !== 'flaky' && behaviour !== 'flaky-mute') return behaviour;
    if (!this.#meetsFault()) return 'ok';
    if (behaviour === 'flaky-mute') return 'mute';
    return this.#faults++ % 2 === 0 ? 'reset-before-head' : 'unavailable';
  }

  #act(socket: Socket, idle: IdleClose, request: ReadRequest): void {
    this.#requests++;
    switch (this.#kindOf(this.behaviour)) {
      case 'unavailable':
        idle.stop();
        socket.write(UNAVAILABLE);
        idle.restart();
        return;
      case 'mute':
        idle.stop();
        return;
      case 'reset-idle':
        this.#apply(request);
        this.#answer(socket, idle);
        if (this.#meetsFault()) systemClock.setTimer(() => socket.resetAndDestroy(), RESET_IDLE_AFTER_MS);
        return;
      case 'reset-before-head':
        socket.resetAndDestroy();
        return;
      case 'reset-in-body':
        socket.write(HEAD + BODY.slice(0, 512), () => socket.resetAndDestroy());
        return;
      case 'apply-then-close': {
        const count = (this.#seen.get(request.method) ?? 0) + 1;
        this.#seen.set(request.method, count);
        this.#apply(request);
        if (count % 5 === 0) socket.end();
        else this.#answer(socket, idle);
        return;
      }
      case 'ok':
        this.#apply(request);
        this.#answer(socket, idle);
    }
  }

  #apply(request: ReadRequest): void {
    if (request.method !== 'POST') return;
    this.#applied.set(request.path, (this.#applied.get(request.path) ?? 0) + 1);
  }

  #answer(socket: Socket, idle: IdleClose): void {
    idle.stop();
    const answer = (): void => {
      if (socket.destroyed) return;
      socket.write(HEAD + BODY);
      idle.restart();
    };
    if (this.#script.answerAfterMs === 0) answer();
    else systemClock.setTimer(answer, this.#script.answerAfterMs);
  }
}

/** Closes a connection after its idle time, in the two steps that `closeLagMs` describes. */
class IdleClose {
  readonly #socket: Socket;
  readonly #script: EndpointScript;
  #timer: Timer | null = null;
  #state: 'open' | 'deciding' | 'late' = 'open';

  constructor(socket: Socket, script: EndpointScript) {
    this.#socket = socket;
    this.#script = script;
  }

  restart(): void {
    this.stop();
    if (this.#script.idleCloseMs === 0) return;
    this.#timer = systemClock.setTimer(() => {
      this.#state = 'deciding';
      this.#timer = systemClock.setTimer(() => this.#close(), this.#script.closeLagMs);
    }, this.#script.idleCloseMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Whether arriving bytes are still read: not once the close has been decided. */
  mayRead(): boolean {
    if (this.#state === 'open') return true;
    this.#state = 'late';
    return false;
  }

  #close(): void {
    if (this.#state === 'late') this.#socket.resetAndDestroy();
    else this.#socket.end();
  }
}

const [port, behaviour, backlog, answerAfterMs, idleCloseMs, closeLagMs, faultShare] = process.argv.slice(2);
const chosen: unknown = { behaviour };
const endpoint = new ScriptedEndpoint({
  port: Number(port),
  behaviour: isOrder(chosen) && 'behaviour' in chosen ? chosen.behaviour : 'ok',
  backlog: Number(backlog),
  answerAfterMs: Number(answerAfterMs),
  idleCloseMs: Number(idleCloseMs),
  closeLagMs: Number(closeLagMs),
  faultShare: Number(faultShare),
});
process.on('message', (order) => {
  if (!isOrder(order)) return;
  if ('behaviour' in order) endpoint.behaviour = order.behaviour;
  process.send?.(endpoint.report());
});
process.on('disconnect', () => process.exit(0));
endpoint.listen(() => process.send?.(endpoint.report()));
