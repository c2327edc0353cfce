import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Visible, visibleRows } from './visible-rows.ts';

/** Tables up to this long are drawn whole. */
const SHORT = 40;

export type Windowed = Visible & {
  readonly body: RefObject<HTMLTableSectionElement | null>;
  /** Pixels in the place of the rows that are not drawn, above and below. */
  readonly above: number;
  readonly below: number;
};

/** Draws only the rows of a long table that are on the screen, however long it is, unless `whole`. Every row is equally high. */
export function useVisibleRows(rows: number, whole: boolean): Windowed {
  const body = useRef<HTMLTableSectionElement>(null);
  const height = useRef(0);
  const [visible, setVisible] = useState<Visible>({ first: 0, end: SHORT });

  useLayoutEffect(() => {
    if (whole || rows <= SHORT) return;
    let asked = 0;
    const look = (): void => {
      asked = 0;
      const section = body.current;
      if (section === null) return;
      height.current = section.querySelector('tr[data-row]')?.getBoundingClientRect().height ?? height.current;
      const next = visibleRows(rows, height.current, section.getBoundingClientRect().top, innerHeight);
      setVisible((now) => (now.first === next.first && now.end === next.end ? now : next));
    };
    const ask = (): void => {
      asked ||= requestAnimationFrame(look);
    };
    look();
    addEventListener('scroll', ask, { passive: true });
    addEventListener('resize', ask, { passive: true });
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener('scroll', ask);
      removeEventListener('resize', ask);
    };
  }, [rows, whole]);

  if (whole || rows <= SHORT) return { first: 0, end: rows, body, above: 0, below: 0 };
  const first = Math.min(visible.first, Math.max(0, rows - 1));
  const end = Math.max(first, Math.min(visible.end, rows));
  return { first, end, body, above: first * height.current, below: (rows - end) * height.current };
}
