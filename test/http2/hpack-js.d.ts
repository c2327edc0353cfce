/** The part of hpack.js that tests use: an HPACK of somebody else's. */
declare module 'hpack.js' {
  type Field = { name: string; value: string; neverIndex?: boolean; incremental?: boolean; huffman?: boolean };
  interface Compressor {
    write(fields: readonly Field[]): void;
    read(): Buffer | null;
    /** Puts size updates to 0 and back into what is read next. */
    reset(): void;
  }
  interface Decompressor {
    write(block: Buffer): void;
    /** Throws, or emits `error`, where the block is broken. */
    execute(): void;
    updateTableSize(size: number): void;
    read(): Field | null;
  }
  const hpack: {
    compressor: { create(options: { table: { maxSize: number } }): Compressor };
    decompressor: { create(options: { table: { maxSize: number } }): Decompressor };
  };
  export default hpack;
}
