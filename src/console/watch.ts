import { type CliDeps, CliError, EXIT } from '../cli/deps.ts';
import type { Target } from '../cli/http-call.ts';
import { type ColorChoice, paperOf } from '../cli/paper.ts';
import type { Timer } from '../clock.ts';
import type { StatusSnapshot } from '../status/types.ts';
import { draw, type Frame } from './draw.ts';
import { type KeyPress, nameOfKey, press } from './keys.ts';
import { lastAnswer } from './link.ts';
import { type Looks, paint } from './paint.ts';
import { Poller } from './poller.ts';
import { ProcessTerminal } from './process-terminal.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal.ts';
import { FIRST_STATE, openDestination, type WatchState } from './watch-state.ts';

/** Ages on the screen go on also where no answer comes. */
const REDRAW_MS = 1000;

export type WatchOptions = {
  /** Seconds between an answer and the next question. */
  readonly interval: number;
  readonly color: ColorChoice;
};

type Deps = Pick<CliDeps, 'clock' | 'env' | 'columns' | 'rows'>;

/**
 * `carpool watch` at the terminal of this process.
 * @param destination to open at once, or null
 * @throws CliError where there is no terminal
 */
export async function watchHere(
  target: Target,
  destination: string | null,
  options: WatchOptions,
  deps: Deps,
): Promise<number> {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY || deps.env.TERM === 'dumb')
    throw new CliError(
      'carpool watch needs a terminal of its own, for keys and for the screen (kubectl exec -it). Without one: carpool pools --watch',
      EXIT.usage,
    );
  const looks: Looks = { colour: paperOf(deps, options.color).color, unicode: showsUnicode(deps.env) };
  return watch(new ProcessTerminal(stdin, stdout), target, destination, options.interval * 1000, looks, deps);
}

/**
 * Shows a sidecar until the person at the terminal has seen enough.
 * @returns the exit code
 */
export function watch(
  terminal: Terminal,
  target: Target,
  destination: string | null,
  intervalMs: number,
  looks: Looks,
  deps: Pick<CliDeps, 'clock'>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const screen = new Watch(terminal, target, destination, intervalMs, looks, deps, (error) => {
      if (error === null) resolve(EXIT.ok);
      else reject(error);
    });
    screen.start();
  });
}

/** Whether letters beyond ASCII can be shown. Containers seldom say anything; terminals of today can. */
export function showsUnicode(env: CliDeps['env']): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return locale === '' || /utf-?8/i.test(locale);
}

/** Ties what the sidecar says, the keys and the screen together. */
class Watch {
  readonly #terminal: Terminal;
  readonly #looks: Looks;
  readonly #intervalMs: number;
  readonly #clock: CliDeps['clock'];
  readonly #ended: (error: unknown) => void;
  readonly #poller: Poller;
  readonly #screen = new Screen();
  #state: WatchState;
  #frame: Frame | null = null;
  /** What is on the screen. */
  #shown: StatusSnapshot | null = null;
  #tick: Timer | null = null;
  #over = false;

  constructor(
    terminal: Terminal,
    target: Target,
    destination: string | null,
    intervalMs: number,
    looks: Looks,
    { clock }: Pick<CliDeps, 'clock'>,
    ended: (error: unknown) => void,
  ) {
    this.#terminal = terminal;
    this.#looks = looks;
    this.#intervalMs = intervalMs;
    this.#clock = clock;
    this.#ended = ended;
    this.#state = destination === null ? FIRST_STATE : openDestination(FIRST_STATE, destination);
    this.#poller = new Poller(target, intervalMs, clock, {
      changed: () => this.#guarded(() => this.#redraw()),
      failed: (error) => this.#finish(error),
    });
  }

  start(): void {
    this.#terminal.open(
      () => this.#screen.enter(),
      () => this.#screen.leave(),
      {
        key: (key) => this.#guarded(() => this.#press(key)),
        redraw: () => this.#guarded(() => this.#anew()),
        end: () => this.#finish(null),
      },
    );
    this.#guarded(() => this.#redraw());
    this.#poller.ask(this.#state.opened);
  }

  /** What fails gives the terminal back first. */
  #guarded(work: () => void): void {
    if (this.#over) return;
    try {
      work();
    } catch (error) {
      this.#finish(error);
    }
  }

  #finish(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#tick?.cancel();
    this.#poller.stop();
    this.#terminal.close();
    this.#ended(error);
  }

  #press(pressed: KeyPress): void {
    const key = nameOfKey(pressed);
    if (key === 'ctrl-l') this.#anew();
    else if (key === 'ctrl-z') this.#terminal.suspend();
    else if (key !== '' && this.#frame !== null) this.#move(press(this.#state, key, this.#frame.shown));
  }

  #move(next: WatchState): void {
    const { opened } = this.#state;
    this.#state = next;
    if (next.ended) {
      this.#finish(null);
      return;
    }
    if (next.opened !== opened) this.#poller.ask(next.opened);
    this.#redraw();
  }

  #anew(): void {
    this.#screen.forget();
    this.#redraw();
  }

  #redraw(): void {
    this.#tick?.cancel();
    this.#tick = this.#clock.setTimer(() => this.#guarded(() => this.#redraw()), REDRAW_MS);
    const { link } = this.#poller;
    this.#shown = this.#next(lastAnswer(link)?.snapshot ?? null);
    const size = this.#terminal.size();
    const model = { shown: this.#shown, link, now: this.#clock.now(), intervalMs: this.#intervalMs };
    const frame = draw(this.#state, model, size);
    this.#frame = frame;
    this.#state = frame.state;
    const lines = frame.lines.map((line) => paint(line, size.columns, this.#looks));
    const changes = this.#screen.frame(lines, size.columns, size.rows);
    if (changes !== '') this.#terminal.write(changes);
  }

  /** While it is paused, what was there stays; but what has just been opened has to come first. */
  #next(newest: StatusSnapshot | null): StatusSnapshot | null {
    const { paused, opened } = this.#state;
    if (!paused || this.#shown === null || newest === null) return newest;
    const missing = opened !== null && this.#shown.detail?.name !== opened && newest.detail?.name === opened;
    return missing ? newest : this.#shown;
  }
}
