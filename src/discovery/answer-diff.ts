import type { Vanished } from '../config/types.ts';
import type { EndpointSink } from './discovery.ts';
import { addressPort, parseIp } from './ip-address.ts';

/** Answers in a row without an address before `evict` removes it. */
const EVICT_AFTER = 3;
/**
 * Addresses out of rotation that one destination keeps; services with hundreds of addresses behind a name show a few
 * at a time. The connections of those beyond had the longest time to go idle.
 */
const MAX_SUSPENDED = 64;

/** An address told to the sink: `missing` is the number of answers in a row without it, so 0 means in rotation. */
type Told = { missing: number };

/** Turns whole answers into the calls that a sink understands, for one destination. */
export class AnswerDiff {
  readonly #sink: EndpointSink;
  readonly #port: number;
  /** By address. Those out of rotation come in the order in which they left it. */
  readonly #told = new Map<string, Told>();

  constructor(sink: EndpointSink, port: number) {
    this.#sink = sink;
    this.#port = port;
  }

  /**
   * Tells the sink about the next answer.
   * @param unknownFamily addresses of this family stay as they are, for the answer says nothing about them
   */
  apply(addresses: ReadonlySet<string>, unknownFamily: 4 | 6 | null, vanished: Vanished): void {
    for (const address of addresses) {
      const told = this.#told.get(address);
      if (told?.missing === 0) continue;
      this.#told.set(address, { missing: 0 });
      this.#sink.add({ id: addressPort(address, this.#port), address, port: this.#port });
    }
    for (const [address, told] of [...this.#told]) {
      if (addresses.has(address)) continue;
      if (unknownFamily !== null && parseIp(address)?.family === unknownFamily) continue;
      told.missing++;
      if (vanished === 'evict' && told.missing >= EVICT_AFTER) this.#remove(address);
      else if (told.missing === 1) this.#suspend(address, told);
    }
    this.#bound();
  }

  /** Every address goes: the name is gone for good. */
  clear(vanished: Vanished): void {
    for (const [address, told] of [...this.#told])
      if (vanished === 'evict') this.#remove(address);
      else if (told.missing++ === 0) this.#suspend(address, told);
    this.#bound();
  }

  #suspend(address: string, told: Told): void {
    // To the end of the map: the oldest absence is found first.
    this.#told.delete(address);
    this.#told.set(address, told);
    this.#sink.suspend(addressPort(address, this.#port));
  }

  #remove(address: string): void {
    this.#told.delete(address);
    this.#sink.remove(addressPort(address, this.#port));
  }

  #bound(): void {
    const absent = [...this.#told].filter(([, { missing }]) => missing > 0);
    for (const [address] of absent.slice(0, Math.max(0, absent.length - MAX_SUSPENDED))) this.#remove(address);
  }
}
