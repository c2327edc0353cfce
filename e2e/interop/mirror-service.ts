import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type status,
} from '@grpc/grpc-js';
import type { Test } from 'tap';

/**
 * A gRPC service that gives back what it gets. Its messages are bytes as they are: what is inside them is nobody's
 * business between the two ends.
 */
const method = (name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path: `/carpool.interop.Mirror/${name}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});

export const asIs = (bytes: Buffer): Buffer => bytes;

export const METHODS = {
  /** The message and, in the head and the trailers, the metadata that begin with `x-`. */
  once: method('Once', false, false),
  /** All messages together. */
  gather: method('Gather', true, false),
  /** Each byte of the message as a message. */
  spread: method('Spread', false, true),
  /** Each message as it comes. */
  both: method('Both', true, true),
  /** Ends with the status that `x-status` and `x-message-bin` say, before any message. */
  fail: method('Fail', false, false),
  /** The message, and then as `fail`. */
  failLate: method('FailLate', false, true),
  /** Each message as it comes, and never an end. */
  hold: method('Hold', true, true),
  /** Never answers. */
  wait: method('Wait', false, false),
} as const;

export type Mirror = {
  readonly port: number;
  /** Calls of `wait` and `hold` that were cancelled so far. */
  readonly cancelled: number;
};

function mirrored(metadata: Metadata): Metadata {
  const own = new Metadata();
  for (const name of Object.keys(metadata.getMap()))
    if (name.startsWith('x-')) for (const value of metadata.get(name)) own.add(name, value);
  return own;
}

/** The end that a caller asks for. */
function wanted(metadata: Metadata): { readonly code: status; readonly details: string; readonly metadata: Metadata } {
  const [message = ''] = metadata.get('x-message-bin');
  const [code] = metadata.get('x-status');
  return { code: Number(code), details: message.toString(), metadata: mirrored(metadata) };
}

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Writable = ServerWritableStream<Buffer, Buffer>;
type Answer = sendUnaryData<Buffer>;

/** Starts one on a free port of loopback; it is ended with the test. */
export async function startMirror(t: Test): Promise<Mirror> {
  let cancelled = 0;
  const count = (): void => {
    cancelled++;
  };
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  server.addService(METHODS, {
    once: (call: Unary, answer: Answer) => {
      call.sendMetadata(mirrored(call.metadata));
      answer(null, call.request, mirrored(call.metadata));
    },
    gather: (call: ServerReadableStream<Buffer, Buffer>, answer: Answer) => {
      const pieces: Buffer[] = [];
      call.on('data', (piece: Buffer) => pieces.push(piece));
      call.on('end', () => answer(null, Buffer.concat(pieces)));
    },
    spread: (call: Writable) => {
      for (const byte of call.request) call.write(Buffer.from([byte]));
      call.end();
    },
    both: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (piece: Buffer) => call.write(piece));
      call.on('end', () => call.end());
    },
    hold: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('cancelled', count);
      call.on('data', (piece: Buffer) => call.write(piece));
    },
    fail: (call: Unary, answer: Answer) => answer(wanted(call.metadata)),
    failLate: (call: Writable) => {
      call.write(call.request);
      call.emit('error', wanted(call.metadata));
    },
    wait: (call: Unary) => call.on('cancelled', count),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.teardown(() => server.forceShutdown());
  return {
    port,
    get cancelled() {
      return cancelled;
    },
  };
}
