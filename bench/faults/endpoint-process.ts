import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { systemClock } from '../../src/clock.ts';
import type { Children, Running } from '../rig/children.ts';
import { workPath } from '../rig/work-dir.ts';
import {
  type Behaviour,
  type EndpointReport,
  type EndpointScript,
  isEndpointReport,
  type Order,
} from './endpoint-script.ts';

const ANSWER_DEADLINE_MS = 5000;

/** A scripted endpoint as its parent holds it: told what to do, stopped like a process, asked what it saw. */
export class EndpointProcess {
  readonly #child: ChildProcess;
  readonly #running: Running;
  readonly #children: Children;
  readonly #fillers: Socket[] = [];
  readonly port: number;

  private constructor(children: Children, script: EndpointScript) {
    this.port = script.port;
    this.#children = children;
    const { port, behaviour, backlog, answerAfterMs, idleCloseMs, closeLagMs, faultShare } = script;
    const args = [port, behaviour, backlog, answerAfterMs, idleCloseMs, closeLagMs, faultShare].map(String);
    this.#child = fork(new URL('./endpoint.ts', import.meta.url), args, { detached: true, stdio: 'inherit' });
    this.#running = children.adopt(`endpoint-${port}`, this.#child);
  }

  /** Starts an endpoint; resolves when it listens. */
  static async start(children: Children, script: EndpointScript): Promise<EndpointProcess> {
    workPath('run', 'endpoint');
    const endpoint = new EndpointProcess(children, script);
    await endpoint.#nextReport();
    return endpoint;
  }

  async behave(behaviour: Behaviour): Promise<void> {
    await this.#ask({ behaviour });
  }

  report(): Promise<EndpointReport> {
    return this.#ask({ report: true });
  }

  /** SIGSTOP: the kernel goes on accepting for it, nothing is ever answered. */
  freeze(): void {
    process.kill(this.#running.pid, 'SIGSTOP');
  }

  /**
   * Freezes it and fills its accept queue, so that the kernel drops every further SYN, as a host that is gone would.
   * Needs a script with a backlog of 1. @throws when connections are still accepted after 64
   */
  async goSilent(): Promise<void> {
    this.freeze();
    for (let i = 0; i < 64; i++) {
      const socket = connect({ port: this.port, host: '127.0.0.1' });
      this.#fillers.push(socket);
      if (!(await connects(socket))) return;
    }
    throw new Error(`the accept queue of port ${this.port} does not fill`);
  }

  async end(): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    await this.#children.stop(this.#running);
  }

  #ask(order: Order): Promise<EndpointReport> {
    const answer = this.#nextReport();
    this.#child.send(order);
    return answer;
  }

  #nextReport(): Promise<EndpointReport> {
    return new Promise((resolve, reject) => {
      const deadline = systemClock.setTimer(
        () => reject(new Error(`the endpoint at ${this.port} does not answer its parent`)),
        ANSWER_DEADLINE_MS,
      );
      this.#child.once('message', (message: unknown) => {
        deadline.cancel();
        if (isEndpointReport(message)) resolve(message);
        else reject(new Error('the endpoint sent something that is no report'));
      });
    });
  }
}

/** Whether a connection is accepted within 300 ms, which on loopback is for ever. */
function connects(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const deadline = systemClock.setTimer(() => resolve(false), 300);
    const finish = (answer: boolean): void => {
      deadline.cancel();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.on('error', () => finish(false));
  });
}
