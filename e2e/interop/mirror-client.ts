import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Test } from 'tap';
import { asIs, METHODS } from './mirror-service.ts';

/** How a call ended, and what came before. */
export type Outcome = {
  readonly messages: readonly Buffer[];
  /** Of the head of the answer. */
  readonly metadata: Metadata;
  readonly status: StatusObject;
};

const BIG = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

/** grpc-js's client of the Mirror service. */
export class MirrorClient {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /**
   * One channel; it is closed with the test.
   * @param proxy the port of a proxy on loopback, which is named as apps do: by a variable
   */
  static open(t: Test, address: string, proxy: number | null): MirrorClient {
    if (proxy !== null) process.env.grpc_proxy = `http://127.0.0.1:${proxy}`;
    // The variable is read when the channel is made.
    const client = new Client(address, credentials.createInsecure(), BIG);
    delete process.env.grpc_proxy;
    t.teardown(() => client.close());
    return new MirrorClient(client);
  }

  /** A call with one message and one answer. */
  unary(name: 'once' | 'fail' | 'wait', message: Buffer, metadata = new Metadata(), options: CallOptions = {}) {
    let head = new Metadata();
    const messages: Buffer[] = [];
    let cancel = (): void => {};
    const outcome = new Promise<Outcome>((resolve) => {
      const { path } = METHODS[name];
      const call = this.#client.makeUnaryRequest(path, asIs, asIs, message, metadata, options, (_error, answer) => {
        if (answer !== undefined) messages.push(answer);
      });
      call.on('metadata', (fields) => {
        head = fields;
      });
      call.on('status', (status) => resolve({ messages, metadata: head, status }));
      cancel = () => call.cancel();
    });
    return { outcome, cancel };
  }

  /** Many messages, one answer. */
  gather(messages: readonly Buffer[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer): void =>
        error === null && answer !== undefined ? resolve(answer) : reject(error);
      const call = this.#client.makeClientStreamRequest(METHODS.gather.path, asIs, asIs, new Metadata(), done);
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  /** One message, many answers. */
  stream(name: 'spread' | 'failLate', message: Buffer, metadata = new Metadata()): Promise<Outcome> {
    return ended(this.#client.makeServerStreamRequest(METHODS[name].path, asIs, asIs, message, metadata));
  }

  /** Many messages both ways, in the caller's hands. */
  duplex(name: 'both' | 'hold'): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(METHODS[name].path, asIs, asIs, new Metadata());
  }

  /** A method that there is not. */
  nowhere(): Promise<Outcome> {
    const path = '/carpool.interop.Mirror/Nowhere';
    return ended(this.#client.makeServerStreamRequest(path, asIs, asIs, Buffer.alloc(0), new Metadata()));
  }
}

/** Reads a call to its end. */
export function ended(call: ClientReadableStream<Buffer>): Promise<Outcome> {
  const messages: Buffer[] = [];
  let metadata = new Metadata();
  return new Promise((resolve) => {
    call.on('metadata', (fields) => {
      metadata = fields;
    });
    call.on('data', (message: Buffer) => messages.push(message));
    // The status says it too.
    call.on('error', () => {});
    call.on('status', (status) => resolve({ messages, metadata, status }));
  });
}
