import { Client as Channel, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { asIs, METHODS } from '../pod/echo-service.ts';
import { type Answer, type Client, DEADLINE_MS } from './plan.ts';

/** grpc-js. A URL is only a target here. */
export function grpcClient(): Client {
  const channels = new Map<string, Channel>();
  const channel = (target: string): Channel => {
    const made = channels.get(target) ?? new Channel(target, credentials.createInsecure());
    channels.set(target, made);
    return made;
  };
  const deadline = (): Date => new Date(Date.now() + DEADLINE_MS);

  const say = (target: string, body: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer): void =>
        error === null ? resolve({ status: 200, text: String(answer) }) : reject(error);
      channel(target).makeUnaryRequest(
        METHODS.say.path,
        asIs,
        asIs,
        Buffer.from(body),
        new Metadata(),
        { deadline: deadline() },
        done,
      );
    });
  return {
    get: (target) => say(target, 'hello\n'),
    post: say,
    async stream(target) {
      const options = { deadline: deadline() };
      const asked = Buffer.from('spread\n');
      const call = channel(target).makeServerStreamRequest(METHODS.spread.path, asIs, asIs, asked, options);
      let text = '';
      for await (const piece of call) text += String(piece);
      return { status: 200, text };
    },
  };
}
