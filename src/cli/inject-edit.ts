import { isDeepStrictEqual } from 'node:util';
import {
  isMap,
  isNode,
  isSeq,
  type Node,
  Pair,
  parse,
  parseDocument,
  Scalar,
  type ScalarTag,
  stringify,
  type Tags,
  type ToStringOptions,
  YAMLMap,
  YAMLSeq,
} from 'yaml';

/**
 * Changes a YAML text as a person would: comments, the order of keys and the way in which values are written stay, and only what
 * differs is touched.
 */

/** As Kubernetes reads YAML: `yes` is true, but neither `12:30` nor `2026-01-31` is more than text. */
export const AS_KUBERNETES = {
  version: '1.1',
  merge: true,
  customTags: (tags: Tags): Tags => tags.filter((tag) => !isTime(tag)),
} as const;

function isTime(tag: Tags[number]): boolean {
  if (typeof tag === 'string') return false;
  return tag.tag === 'tag:yaml.org,2002:timestamp' || ('format' in tag && tag.format === 'TIME');
}

/** An anchor may be used this often; more is an attack. */
export const MOST_ALIASES = 1000;

/** What is nothing stays nothing: `metadata:` is no empty text. */
const NOTHING: ScalarTag = {
  identify: (value) => value === null,
  tag: 'tag:yaml.org,2002:null',
  default: true,
  test: /^$/,
  resolve: () => new Scalar(null),
  stringify: ({ source }) => source ?? 'null',
};

/**
 * The text with `after` in it where it had `before`. `kept` is false where that could only be done by writing everything anew,
 * without its comments (anchors that are used elsewhere, for example).
 */
export function editYaml(
  text: string,
  before: unknown,
  after: unknown,
): { readonly text: string; readonly kept: boolean } {
  const style = styleOf(text);
  // Every scalar is text here and is printed as it was written: 0644 is not 644, and 1.10 not 1.1.
  const document = parseDocument(text, { schema: 'failsafe', customTags: [NOTHING], logLevel: 'error' });
  const { contents } = document;
  if (isNode(contents)) {
    change(contents, before, after);
    const edited = lineEnds(text, document.toString(style));
    if (isDeepStrictEqual(parsed(edited), after)) return { text: edited, kept: true };
  }
  const start = /^---/m.test(text) ? '---\n' : '';
  return {
    text: lineEnds(text, start + stringify(after, { ...style, version: '1.1', aliasDuplicateObjects: false })),
    kept: false,
  };
}

function parsed(text: string): unknown {
  try {
    return parse(text, { ...AS_KUBERNETES, maxAliasCount: MOST_ALIASES, logLevel: 'error' });
  } catch {
    return undefined;
  }
}

const lineEnds = (text: string, edited: string): string =>
  text.includes('\r\n') ? edited.replace(/\r?\n/g, '\r\n') : edited;

/** How the text is indented and spaced. */
function styleOf(text: string): ToStringOptions & { indentSeq: boolean } {
  const sequence = /^( *)[^\s#-][^\n]*:[ \t]*\r?\n\1( *)- /m.exec(text);
  const map = /^( *)[^\s#-][^\n]*:[ \t]*\r?\n\1( +)[^\s#-]/m.exec(text);
  return {
    lineWidth: 0,
    indent: map?.[2]?.length ?? 2,
    indentSeq: sequence?.[2] !== '',
    flowCollectionPadding: !/[{[][^\s{}[\]]/.test(text.replace(/"[^"\n]*"|'[^'\n]*'|#.*/g, '')),
  };
}

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Makes `node`, which holds `before`, hold `after`. */
function change(node: Node, before: unknown, after: unknown): void {
  if (isMap(node) && isTree(before) && isTree(after)) changeMap(node, before, after);
  else if (isSeq(node) && Array.isArray(before) && Array.isArray(after)) changeSequence(node, before, after);
}

/** Whether `change` can do it in place. */
const canChange = (node: unknown, before: unknown, after: unknown): node is Node =>
  (isMap(node) && isTree(before) && isTree(after)) || (isSeq(node) && Array.isArray(before) && Array.isArray(after));

function changeMap(
  node: YAMLMap<unknown, unknown>,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): void {
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) node.delete(key);
  for (const [key, value] of Object.entries(after)) {
    if (Object.hasOwn(before, key) && isDeepStrictEqual(before[key], value)) continue;
    const there: unknown = node.get(key, true);
    if (canChange(there, before[key], value)) change(there, before[key], value);
    else node.set(newNode(key), newNode(value));
  }
}

/** What tells the items of a list apart: most objects have names. */
const nameOf = (item: unknown): string | null => (isTree(item) && typeof item.name === 'string' ? item.name : null);

function changeSequence(node: YAMLSeq<unknown>, before: readonly unknown[], after: readonly unknown[]): void {
  const old = node.items.map((item, index) => ({ item, value: before[index], free: true }));
  const first = old[0];
  node.items = after.map((value, index) => {
    const name = nameOf(value);
    const here = old[index];
    // What has no name, such as the items of a List, is known by its place while none has come or gone.
    const found =
      name === null && before.length === after.length && here !== undefined && nameOf(here.value) === null
        ? here
        : old.find(
            (each) => each.free && (name === null ? isDeepStrictEqual(each.value, value) : nameOf(each.value) === name),
          );
    if (found === undefined) return newNode(value);
    found.free = false;
    if (isDeepStrictEqual(found.value, value)) return found.item;
    if (!canChange(found.item, found.value, value)) return newNode(value);
    change(found.item, found.value, value);
    return found.item;
  });
  // A list that had nothing was written as [].
  if (before.length === 0) node.flow = false;
  // The comment above the first item is about that item: it goes with it.
  if (node.commentBefore && isNode(first?.item) && !first.free && node.items[0] !== first.item && !node.flow) {
    first.item.commentBefore = [node.commentBefore, first.item.commentBefore].filter(Boolean).join('\n');
    node.commentBefore = null;
  }
}

/** A value as nodes that are printed right although the document takes every scalar for text. */
function newNode(value: unknown): Node {
  if (Array.isArray(value)) {
    const list = new YAMLSeq();
    list.items = value.map(newNode);
    return list;
  }
  if (isTree(value)) {
    const map = new YAMLMap();
    map.items = Object.entries(value).map(([key, each]) => new Pair(newNode(key), newNode(each)));
    return map;
  }
  if (value === null || value === undefined) return new Scalar(null);
  const scalar = new Scalar(String(value));
  scalar.type = Scalar.PLAIN;
  if (typeof value === 'string' && isAmbiguous(value))
    scalar.type = value.includes('"') && !value.includes('\n') ? Scalar.QUOTE_SINGLE : Scalar.QUOTE_DOUBLE;
  return scalar;
}

/** Whether a text needs quotes, by either version of YAML. */
function isAmbiguous(text: string): boolean {
  if (/^[A-Za-z][A-Za-z0-9_./-]*$/.test(text)) return /^(y|yes|n|no|on|off|true|false|null)$/i.test(text);
  return [{}, { version: '1.1' } as const].some(
    (version) => stringify(text, { lineWidth: 0, ...version }) !== `${text}\n`,
  );
}
