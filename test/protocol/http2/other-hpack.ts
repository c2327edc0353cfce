import hpack from 'hpack.js';

/** HPACK as somebody else wrote it, to hold ours against. */

export type Pair = readonly [name: string, value: string];
export type Coding = { readonly neverIndex?: boolean; readonly incremental?: boolean; readonly huffman?: boolean };

const TABLE = { table: { maxSize: 4096 } };

/** An encoder with a dynamic table. */
export class OtherEncoder {
  readonly #compressor = hpack.compressor.create(TABLE);

  /** The block of `pairs`, each coded as `coding` says at its place (again from the first where there are fewer). */
  encode(pairs: readonly Pair[], coding: readonly Coding[] = [{}]): Buffer {
    this.#compressor.write(pairs.map(([name, value], index) => ({ name, value, ...coding[index % coding.length] })));
    return this.#taken();
  }

  /** Size updates to 0 and back, which go before the next block. */
  reset(): Buffer {
    this.#compressor.reset();
    return this.#taken();
  }

  #taken(): Buffer {
    const parts: Buffer[] = [];
    for (;;) {
      const part = this.#compressor.read();
      if (part === null) return Buffer.concat(parts);
      parts.push(part);
    }
  }
}

/** The fields of a block that needs no dynamic table; throws where it needs one, or puts something in. */
export function otherDecode(block: Buffer): Pair[] {
  const decompressor = hpack.decompressor.create(TABLE);
  decompressor.write(block);
  decompressor.execute();
  const pairs: Pair[] = [];
  for (let field = decompressor.read(); field !== null; field = decompressor.read()) {
    pairs.push([field.name, field.value]);
  }
  decompressor.write(Buffer.from([0x80 | 62]));
  let empty = false;
  try {
    decompressor.execute();
  } catch {
    empty = true;
  }
  if (!empty) throw new Error('the block put a field into the dynamic table');
  return pairs;
}

/** Encodes without a dynamic table. */
export const block = (pairs: readonly Pair[], coding: Coding = { incremental: false }): Buffer =>
  new OtherEncoder().encode(pairs, [coding]);
