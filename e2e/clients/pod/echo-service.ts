import type { MethodDefinition } from '@grpc/grpc-js';

/** A gRPC service whose messages are bytes as they are, so that each language's client does without a schema. */
const method = (name: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path: `/carpool.clients.Echo/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});

export const asIs = (bytes: Buffer): Buffer => bytes;

export const METHODS = {
  /** The message. */
  say: method('Say', false),
  /** Each byte of the message as a message. */
  spread: method('Spread', true),
} as const;
