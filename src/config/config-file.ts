import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Problem, reportProblem } from './problems.ts';

/** More than any configuration needs, and little enough to parse in one go. */
export const MAX_FILE_BYTES = 1024 * 1024;

const MAX_SYNTAX_ERRORS = 10;

/** The way to a value: names of groups, and indexes of lists. */
export type Keys = readonly (string | number)[];

/** A file that was read and parsed as far as it could be. */
export type ConfigFile = {
  readonly name: string;
  readonly text: string | null;
  /** What the YAML holds; undefined when its syntax is wrong. */
  readonly tree: unknown;
  readonly problems: readonly Problem[];
  /** `carpool.yaml:12:5`, the place of a key, or of the nearest group around it. */
  where(keys: Keys): string;
};

const ERRNO: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EISDIR: 'is a directory, not a file',
  ENOTDIR: 'a part of its path is a file, not a directory',
  ELOOP: 'its symbolic links go in circles',
};

const errnoOf = (error: unknown): string => {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? (ERRNO[code] ?? `cannot be read (${code})`) : `cannot be read (${String(error)})`;
};

/** Reads a file as text, or says in words why that cannot be. Never blocks on what is no plain file. */
export function readText(file: string): { text: string } | { refused: string } {
  try {
    const kind = statSync(file);
    if (!kind.isFile()) return { refused: kind.isDirectory() ? 'is a directory, not a file' : 'is not a plain file' };
    if (kind.size > MAX_FILE_BYTES)
      return { refused: `has ${kind.size} bytes; at most ${MAX_FILE_BYTES} (1 MiB) are read` };
    const bytes = readFileSync(file);
    // It may have grown since its size was asked for.
    if (bytes.length > MAX_FILE_BYTES) return { refused: `has over ${MAX_FILE_BYTES} bytes (1 MiB)` };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { refused: 'is not UTF-8 text' };
    return { refused: errnoOf(error) };
  }
}

/**
 * Reads and parses the file; what is wrong with it is in `problems`.
 * @param mayBeMissing then a file that is not there is one that sets nothing
 */
export function readConfigFile(file: string, mayBeMissing = false): ConfigFile {
  if (mayBeMissing && !existsSync(file)) return { ...parseConfigText(file, ''), text: null, tree: {} };
  const read = readText(file);
  if ('text' in read) return parseConfigText(file, read.text);
  return {
    name: file,
    text: '',
    tree: undefined,
    problems: [{ where: file, path: '', message: read.refused }],
    where: () => file,
  };
}

/** Every key that its map has already; the last one would win, and nobody would know. */
function* keysTwice(node: unknown): Generator<{ key: string; offset: number }> {
  if (isSeq(node)) for (const item of node.items) yield* keysTwice(item);
  if (!isMap(node)) return;
  const seen = new Set<unknown>();
  for (const { key, value } of node.items) {
    if (isScalar(key)) {
      // Merge keys may stand more than once.
      if (seen.has(key.value) && key.value !== '<<') yield { key: String(key.value), offset: key.range?.[0] ?? 0 };
      seen.add(key.value);
    }
    yield* keysTwice(value);
  }
}

/** Parses YAML 1.2 of one document. */
export function parseConfigText(name: string, text: string): ConfigFile {
  const problems: Problem[] = [];
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return line === 0 ? name : `${name}:${line}:${col}`;
  };
  const broken = (message: string): ConfigFile => {
    problems.push({ where: name, path: '', message });
    return { name, text, tree: undefined, problems, where: () => name };
  };
  let document: ReturnType<typeof parseDocument>;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      // The parser would compare each key with every other of its map: `keysTwice` does it in one pass.
      uniqueKeys: false,
      merge: true,
      // Not silent: that would also let a second document pass.
      logLevel: 'error',
    });
  } catch (error) {
    return broken(`cannot be parsed as YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  // What follows the first few errors of syntax is mostly their consequence.
  const errors = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_ERRORS);
  for (const { pos, message } of errors)
    problems.push({ where: at(pos[0]), path: '', message: `YAML syntax: ${message}` });
  const readable = errors.length === 0;
  if (readable)
    for (const { key, offset } of keysTwice(document.contents))
      reportProblem(problems, { where: at(offset), path: key, message: 'stands twice in one group' });
  let tree: unknown;
  try {
    // Aliases are resolved with a bound on how much they may multiply.
    if (readable) tree = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return broken(`cannot be parsed as YAML: ${error instanceof Error ? error.message : String(error)}`);
  }

  const where = (keys: Keys): string => {
    let offset: number | undefined;
    let node: unknown = document.contents;
    for (const key of keys) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
        if (!pair || !isScalar(pair.key)) break;
        offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof key === 'number') {
        node = node.items[key];
        const range: unknown = typeof node === 'object' && node !== null ? Reflect.get(node, 'range') : undefined;
        if (Array.isArray(range) && typeof range[0] === 'number') offset = range[0];
      } else break;
    }
    return offset === undefined ? name : at(offset);
  };
  return { name, text, tree: readable ? (tree ?? null) : undefined, problems, where };
}
