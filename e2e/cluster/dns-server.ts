import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const A = 1;
const NXDOMAIN = 3;
const QUESTION_AT = 12;

/** Cluster DNS for one test: answers A queries for the names it is given, NXDOMAIN for all others. */
export class DnsServer {
  readonly address: string;
  readonly #names: ReadonlyMap<string, readonly string[]>;
  readonly #socket: Socket;

  private constructor(address: string, names: Readonly<Record<string, readonly string[]>>) {
    this.address = address;
    this.#names = new Map(Object.entries(names));
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (query, client) => this.#socket.send(this.#answer(query), client.port, client.address));
  }

  /** @param address where it listens, at port 53 */
  static async open(address: string, names: Readonly<Record<string, readonly string[]>>): Promise<DnsServer> {
    const server = new DnsServer(address, names);
    server.#socket.bind(53, address);
    await once(server.#socket, 'listening');
    return server;
  }

  close(): void {
    this.#socket.close();
  }

  /** RFC 1035 section 4.1: the query's header and question again, then a record for each address. */
  #answer(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = QUESTION_AT;
    for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const end = at + 5;
    const addresses = this.#names.get(labels.join('.').toLowerCase());
    const told = query.readUInt16BE(at + 1) === A ? (addresses ?? []) : [];
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(0x8180 | (addresses === undefined ? NXDOMAIN : 0), 2);
    head.writeUInt16BE(told.length, 6);
    head.fill(0, 8, 12);
    const records = told.map((address) =>
      // A pointer to the question's name, type A, class IN, 5 s, four bytes.
      Buffer.from([0xc0, QUESTION_AT, 0, A, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]),
    );
    return Buffer.concat([head, ...records]);
  }
}
