import { draw, type Frame, type Model, type Size } from '../../src/console/draw.ts';
import { press } from '../../src/console/keys.ts';
import { textOf } from '../../src/console/line.ts';
import { FIRST_STATE, type WatchState } from '../../src/console/watch-state.ts';
import type { StatusSnapshot } from '../../src/status/types.ts';
import { snapshot } from './status-fixture.ts';

export const STANDARD: Size = { columns: 80, rows: 24 };

export type Drawn = Frame & { readonly text: readonly string[]; readonly all: string; readonly selected: string };

export function modelOf(shown: StatusSnapshot | null = snapshot()): Model {
  return {
    shown,
    link: shown === null ? { state: 'asking' } : { state: 'live', snapshot: shown, at: 1000, restartedAt: null },
    now: 1000,
    intervalMs: 1000,
  };
}

/** A frame and its text. */
export function drawn(state: WatchState = FIRST_STATE, model: Model = modelOf(), size: Size = STANDARD): Drawn {
  const frame = draw(state, model, size);
  const text = frame.lines.map(textOf);
  const selected = frame.lines.filter((line) => line.selected).map(textOf);
  return { ...frame, text, all: text.join('\n'), selected: selected.join('\n') };
}

/** The frame after some keys, each pressed on the frame that the one before it has made. */
export function after(
  keys: readonly string[],
  model: Model = modelOf(),
  from: WatchState = FIRST_STATE,
  size: Size = STANDARD,
): Drawn {
  let frame = drawn(from, model, size);
  for (const key of keys) frame = drawn(press(frame.state, key, frame.shown), model, size);
  return frame;
}
