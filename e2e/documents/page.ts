/**
 * What a page of the documentation tells its reader to do, in order. Markdown with HTML comments, which readers do not see:
 *
 *   <!-- runs: laptop -->            where the commands from here on run; `cluster`: on a node that has carpool's image
 *   <!-- file: carpool.yaml -->      the block that follows is what the reader puts into that file
 *   <!-- shows: /regex/ -->          after a block of sh: what its output must match; several may follow
 *   <!-- exits 78, shows: /…/ -->    the exit code of its last command, where that is not 0
 *   <!-- within 90 s, shows: /…/ --> it is run again until it shows that: for what happens by and by
 *   <!-- stays, shows: /…/ -->       it runs in a terminal of its own, until Ctrl-C
 *   <!-- Ctrl-C -->                  in the terminal of the last block that stays
 *
 * A block of `text` that comes before the next thing to do is a sample of the output, and must match as well.
 */

export type Place = 'laptop' | 'cluster';

type At = {
  /** The line in the page, from 1. */
  readonly line: number;
  readonly place: Place;
};

export type Step =
  | (At & { readonly kind: 'file'; readonly path: string; readonly text: string })
  | (At & { readonly kind: 'interrupt' })
  | (At & Block & { readonly kind: 'run' | 'stays' });

type Block = {
  readonly script: string;
  readonly shows: readonly RegExp[];
  /** The exit code of its last command. */
  readonly exits: number;
  /** How long it is tried again, or null: once. */
  readonly withinMs: number | null;
  /** What the page says that it prints, or null. */
  readonly sample: string | null;
};

type Comment = { readonly line: number; readonly text: string };

/** A fenced block, or a comment, where it stands. */
const PART = /^```(\w*)\n(.*?)^```$|^<!-- (.*?) -->$/gms;
const SHOWS = /^(?:(stays)|exits (\d+)|within (\d+) s)?(?:, )?shows: \/(.*)\/([imsu]*)$/s;

/** Whether a page has commands at all; one that has none says nowhere where they run. */
export function hasCommands(text: string): boolean {
  return /^```sh$/m.test(text);
}

/**
 * Reads a page.
 * @throws with the page and the line where it is not as described above
 */
export function stepsOf(page: string, text: string): readonly Step[] {
  const steps: Step[] = [];
  let place: Place | null = null;
  let file: Comment | null = null;
  const fail = (line: number, words: string): never => {
    throw new Error(`${page}:${line}: ${words}`);
  };
  for (const match of text.matchAll(PART)) {
    const [, language, body = '', comment] = match;
    const line = text.slice(0, match.index).split('\n').length;
    if (comment !== undefined) {
      const runs = /^runs: (laptop|cluster)$/.exec(comment)?.[1];
      const path = /^file: (\S+)$/.exec(comment)?.[1];
      if (runs === 'laptop' || runs === 'cluster') place = runs;
      else if (path !== undefined) file = { line, text: path };
      else if (comment === 'Ctrl-C')
        steps.push({ kind: 'interrupt', line, place: place ?? fail(line, 'runs nowhere') });
      else
        steps.splice(
          -1,
          1,
          promised(steps.at(-1), comment, (words) => fail(line, words)),
        );
      continue;
    }
    if (file !== null) {
      steps.push({ kind: 'file', line, place: place ?? fail(line, 'runs nowhere'), path: file.text, text: body });
      file = null;
    } else if (language === 'sh') {
      const last = steps.at(-1);
      if (last !== undefined) complete(last, (words) => fail(last.line, words));
      steps.push({
        ...{ kind: 'run', line, place: place ?? fail(line, 'a command, and no `runs:` above it'), script: body },
        ...{ shows: [], exits: 0, withinMs: null, sample: null },
      });
    } else if (language === 'text') {
      const last = steps.at(-1);
      if (last !== undefined && 'script' in last && last.sample === null)
        steps[steps.length - 1] = { ...last, sample: body };
    }
  }
  for (const step of steps) complete(step, (words) => fail(step.line, words));
  return steps;
}

/** The block with what a comment behind it says of it. */
function promised(block: Step | undefined, comment: string, fail: (words: string) => never): Step {
  const [, stays, exits, within, source, flags] = SHOWS.exec(comment) ?? fail(`no comment of ours: ${comment}`);
  if (block === undefined || !('script' in block)) return fail('no block of sh comes before it');
  return {
    ...block,
    kind: stays === undefined ? block.kind : 'stays',
    shows: [...block.shows, new RegExp(source ?? '', flags)],
    exits: exits === undefined ? block.exits : Number(exits),
    withinMs: within === undefined ? block.withinMs : Number(within) * 1000,
  };
}

/** Each block says what it shows, and its sample shows it too. */
function complete(step: Step, fail: (words: string) => never): void {
  if (!('script' in step)) return;
  const { shows, sample } = step;
  if (shows.length === 0) fail('nothing says what this block shows');
  if (sample === null) return;
  for (const wanted of shows) if (!wanted.test(sample)) fail(`its sample does not match ${wanted}`);
}
