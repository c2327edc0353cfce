import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { parseIp } from '../../src/discovery/ip-address.ts';

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const TYPES: Readonly<Record<number, QuestionType>> = { 1: 'A', 28: 'AAAA' };

export type QuestionType = 'A' | 'AAAA' | 'other';
export type Question = { readonly name: string; readonly type: QuestionType; readonly transport: 'udp' | 'tcp' };

/** One resource record: an address of the question's own name unless `owner` says otherwise, or a CNAME. */
export type Answer = { readonly owner?: string; readonly ttl: number } & (
  | { readonly address: string }
  | { readonly cname: string }
);

export type Reply = {
  readonly rcode?: number;
  readonly answers?: readonly Answer[];
  readonly truncated?: boolean;
  /** Lies. */
  readonly wrongId?: boolean;
  readonly wrongQuestion?: string;
  /** These bytes in place of a message. */
  readonly raw?: Buffer;
};

/** What to answer: several replies are sent one after the other, none is silence. */
export type Script = (question: Question) => readonly Reply[] | Promise<readonly Reply[]>;

export const SILENCE: readonly Reply[] = [];
export const NXDOMAIN: readonly Reply[] = [{ rcode: RCODE.NXDOMAIN }];
export const NODATA: readonly Reply[] = [{}];
export const SERVFAIL: readonly Reply[] = [{ rcode: RCODE.SERVFAIL }];

/** The addresses of the question's family among `addresses`, all with one TTL in seconds; NODATA where none is. */
export function addressesFor(question: Question, addresses: readonly string[], ttl = 30): readonly Reply[] {
  const family = question.type === 'A' ? 4 : 6;
  const mine = addresses.filter((address) => parseIp(address)?.family === family);
  return [{ answers: mine.map((address) => ({ address, ttl })) }];
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

function encodeAnswer(answer: Answer, question: Question): Buffer {
  const ip = 'address' in answer ? parseIp(answer.address) : null;
  const data = 'cname' in answer ? encodeName(answer.cname) : Buffer.from(ip?.bytes ?? []);
  const head = Buffer.alloc(10);
  head.writeUInt16BE(ip ? (ip.family === 4 ? 1 : 28) : 5, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(answer.ttl, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(answer.owner ?? question.name), head, data]);
}

type Message = { readonly id: number; readonly type: number; readonly name: string };

function parseMessage(bytes: Buffer): Message {
  const labels: string[] = [];
  let at = 12;
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { id: bytes.readUInt16BE(0), type: bytes.readUInt16BE(at + 1), name: labels.join('.') };
}

function encodeReply(reply: Reply, message: Message, question: Question): Buffer {
  if (reply.raw) return reply.raw;
  const answers = reply.answers ?? [];
  const head = Buffer.alloc(12);
  head.writeUInt16BE(reply.wrongId ? message.id ^ 0x5555 : message.id, 0);
  // A response, recursion desired and available.
  head.writeUInt16BE(0x8180 | (reply.truncated ? 0x0200 : 0) | (reply.rcode ?? 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(answers.length, 6);
  const type = Buffer.alloc(4);
  type.writeUInt16BE(message.type, 0);
  type.writeUInt16BE(1, 2);
  return Buffer.concat([
    head,
    encodeName(reply.wrongQuestion ?? message.name),
    type,
    ...answers.map((answer) => encodeAnswer(answer, question)),
  ]);
}

/** A DNS server on 127.0.0.1, over UDP and TCP at one port, which says what a test's script tells it to. */
export class DnsServer {
  /** Everything asked so far. */
  readonly questions: Question[] = [];
  readonly #events = new EventEmitter();
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #sockets = new Set<Socket>();
  script: Script;

  private constructor(udp: UdpSocket, tcp: Server, script: Script) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.script = script;
    this.#events.setMaxListeners(0);
    udp.on('message', (bytes, from) => {
      void this.#answer(bytes, 'udp', (reply) => udp.send(reply, from.port, from.address));
    });
    tcp.on('connection', (socket) => this.#serve(socket));
  }

  static async start(script: Script): Promise<DnsServer> {
    for (;;) {
      const udp = createSocket('udp4');
      udp.bind(0, '127.0.0.1');
      await once(udp, 'listening');
      const tcp = createServer();
      const bound = await new Promise<boolean>((resolve) => {
        tcp.once('error', () => resolve(false));
        tcp.listen(udp.address().port, '127.0.0.1', () => resolve(true));
      });
      if (bound) return new DnsServer(udp, tcp, script);
      udp.close();
    }
  }

  /** As a nameserver line of resolv.conf takes it. */
  get address(): string {
    const { port }: AddressInfo = this.#udp.address();
    return `127.0.0.1:${port}`;
  }

  /** How often `name` was asked for, over either transport. */
  count(name: string, type: QuestionType = 'A'): number {
    return this.questions.filter((question) => question.name === name && question.type === type).length;
  }

  /** The names in the order in which their A records were asked for. */
  get names(): string[] {
    return this.questions.filter(({ type }) => type === 'A').map(({ name }) => name);
  }

  /** Waits until `condition` holds, looking each time when a question has come. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, 'question');
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ]);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, Buffer.from(bytes)]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const message = pending.subarray(2, end);
        pending = pending.subarray(end);
        void this.#answer(message, 'tcp', (reply) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
      }
    });
  }

  async #answer(bytes: Buffer, transport: 'udp' | 'tcp', send: (reply: Buffer) => void): Promise<void> {
    const message = parseMessage(bytes);
    const question: Question = { name: message.name, type: TYPES[message.type] ?? 'other', transport };
    this.questions.push(question);
    const replies = this.script(question);
    this.#events.emit('question');
    for (const reply of await replies) send(encodeReply(reply, message, question));
  }
}

/** A script from a table of names; what is not in it does not exist. */
export function zone(table: Readonly<Record<string, readonly string[]>>, ttl = 30): Script {
  return (question) => {
    const addresses = Object.hasOwn(table, question.name) ? table[question.name] : undefined;
    return addresses ? addressesFor(question, addresses, ttl) : NXDOMAIN;
  };
}
