/** The addresses that pods of a cluster take. One that was given back is used again only after all others. */
export class PodAddresses {
  readonly #free: string[];

  /** @param prefix what they begin with: `10.244.0.` */
  constructor(prefix: string) {
    this.#free = Array.from({ length: 230 }, (_, index) => `${prefix}${20 + index}`);
  }

  take(): string {
    const address = this.#free.shift();
    if (address === undefined) throw new Error('no address is left for another pod');
    return address;
  }

  giveBack(address: string): void {
    if (!this.#free.includes(address)) this.#free.push(address);
  }

  /** The next pod gets this one. */
  reserve(address: string): void {
    this.#free.splice(this.#free.indexOf(address), 1);
    this.#free.unshift(address);
  }

  isFree(address: string): boolean {
    return this.#free.includes(address);
  }
}
