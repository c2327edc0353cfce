import { LineCounter, parseDocument } from 'yaml';
import { replacedAt, type Workload, workloadsIn } from '../injection/workloads.ts';
import { CliError } from './deps.ts';
import { adviceForTemplate, type OtherObject, othersIn } from './inject-advice.ts';
import { AS_KUBERNETES, editYaml, MOST_ALIASES } from './inject-edit.ts';

/** What becomes of one workload's pod template. */
export type Change = (workload: Workload) => Workload['template'];

/** A text with its workloads changed. */
export type ChangedText = {
  readonly text: string;
  readonly workloads: number;
  /** The objects that are none. */
  readonly others: readonly OtherObject[];
  /** For standard error. */
  readonly notes: readonly string[];
};

const MOST_SYNTAX_ERRORS = 10;

/**
 * Changes every workload of a stream of YAML documents, or of one JSON document, which stays JSON. A document of which nothing
 * changes is the same bytes as before.
 * @param name of the file, for messages
 * @throws CliError where the text is neither, with the place
 */
export function changeStream(name: string, text: string, change: Change): ChangedText {
  const json = jsonTree(text);
  if (json !== undefined) {
    const { tree, count } = changeTree(json, change);
    const written = tree === json ? text : `${JSON.stringify(tree, null, 2)}\n`;
    return { text: written, workloads: count, others: othersIn(json), notes: [] };
  }
  const notes: string[] = [];
  const others: OtherObject[] = [];
  let workloads = 0;
  let line = 0;
  // At the beginning of a line --- is a marker even inside of a text.
  const parts = text.split(/^(?=---(?:[ \t\r\n]|$))/m).map((part) => {
    const from = line;
    line += part.split('\n').length - 1;
    const before = parseYaml(name, part, from);
    const { tree, count } = changeTree(before, change);
    workloads += count;
    others.push(...othersIn(before));
    if (tree === before) return part;
    const edited = editYaml(part, before, tree);
    if (!edited.kept)
      notes.push(
        `${name}:${from + 1}: the document is written anew, without its comments, for it has anchors or merge keys`,
      );
    return edited.text;
  });
  return { text: parts.join(''), workloads, others, notes };
}

function changeTree(tree: unknown, change: Change): { readonly tree: unknown; readonly count: number } {
  const workloads = workloadsIn(tree);
  let changed = tree;
  for (const workload of workloads) {
    const template = change(workload);
    if (template !== workload.template) changed = replacedAt(changed, workload.path, template);
  }
  return { tree: changed, count: workloads.length };
}

/** The JSON that the text is as a whole, else undefined. */
function jsonTree(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(withoutMark(text));
  } catch {
    return undefined;
  }
}

function parseYaml(name: string, text: string, linesBefore: number): unknown {
  // Directives and comments without a document, before the first marker.
  if (text.split('\n').every((line) => /^\s*([%#].*)?$/.test(line))) return undefined;
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { ...AS_KUBERNETES, lineCounter, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0)
    throw new CliError(
      document.errors
        .slice(0, MOST_SYNTAX_ERRORS)
        .map(({ pos, message }) => {
          const { line, col } = lineCounter.linePos(pos[0]);
          return `${name}:${linesBefore + line}:${col}: YAML syntax: ${message}`;
        })
        .join('\n') + adviceForTemplate(name, text),
    );
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    throw new CliError(`${name}:${linesBefore + 1}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Without the byte order mark that editors of Windows put first. */
const withoutMark = (text: string): string => text.replace(/^\uFEFF/, '');

/** Several texts as one stream of documents. */
export function joinTexts(texts: readonly string[]): string {
  let all = '';
  for (const each of texts) {
    // A mark amid the stream is no mark.
    const text = all === '' ? each : withoutMark(each);
    if (text.trim() === '') continue;
    if (all !== '' && !all.endsWith('\n')) all += '\n';
    if (all !== '' && !/^(---|%)/.test(text)) all += '---\n';
    all += text;
  }
  return all;
}
