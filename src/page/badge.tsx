import type { JSX } from 'preact';
import type { Standing } from './standing.ts';

/** A shape for each level, so that none is told by its colour alone. */
export const SHAPES: Readonly<Record<Standing['level'], string>> = { error: '✖', warning: '▲', info: '●', good: '✔' };

/** How something stands: a shape, a colour and a word. */
export function Badge({ level, words }: Standing): JSX.Element {
  return (
    <span class={`badge ${level}`}>
      <span class="shape" aria-hidden="true">
        {SHAPES[level]}
      </span>
      <span class="words">{words}</span>
    </span>
  );
}
