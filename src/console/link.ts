import type { StatusSnapshot } from '../status/types.ts';

/** An uptime that lags by more than this behind what was to be expected is that of another process. */
const RESTART_MARGIN_MS = 3000;
/** Where its own clock says, too, that it started later, less is enough: late answers and a clock that is set move only one of them. */
const STARTED_LATER_MS = 200;

/**
 * What is known of the sidecar. Times are those of the monotonic clock.
 *
 *   asking ──answer──► live ──no answer──► lost ──answer──► live
 *      └────no answer────────────────────────┘
 */
export type Link =
  | { readonly state: 'asking' }
  | {
      readonly state: 'live';
      readonly snapshot: StatusSnapshot;
      readonly at: number;
      /** When it was first seen to have started anew, or null. */
      readonly restartedAt: number | null;
    }
  | {
      readonly state: 'lost';
      readonly problem: string;
      readonly since: number;
      /** The last answer and when it came, or null: there was none. */
      readonly last: {
        readonly snapshot: StatusSnapshot;
        readonly at: number;
        readonly restartedAt: number | null;
      } | null;
    };

export type Heard =
  | { readonly kind: 'answer'; readonly snapshot: StatusSnapshot }
  | { readonly kind: 'problem'; readonly problem: string };

/** The one function that moves a link. */
export function hear(link: Link, heard: Heard, now: number): Link {
  const last = lastAnswer(link);
  if (heard.kind === 'problem')
    return { state: 'lost', problem: heard.problem, since: link.state === 'lost' ? link.since : now, last };
  const { snapshot } = heard;
  const restarted = last !== null && isAnother(last.snapshot, snapshot, now - last.at);
  return { state: 'live', snapshot, at: now, restartedAt: restarted ? now : (last?.restartedAt ?? null) };
}

/** Whether `next`, which came so many milliseconds after `before`, is the answer of another process. */
function isAnother(before: StatusSnapshot, next: StatusSnapshot, laterMs: number): boolean {
  const { uptimeMs } = next.sidecar;
  const lag = before.sidecar.uptimeMs + laterMs - uptimeMs;
  const started = next.time - uptimeMs - (before.time - before.sidecar.uptimeMs);
  // Less than before is certain; after a short life the next one may be as old when it is first heard of.
  return (
    uptimeMs < before.sidecar.uptimeMs ||
    lag > RESTART_MARGIN_MS ||
    (lag > STARTED_LATER_MS && started > STARTED_LATER_MS)
  );
}

/** The newest answer and when it came, or null. */
export function lastAnswer(
  link: Link,
): { readonly snapshot: StatusSnapshot; readonly at: number; readonly restartedAt: number | null } | null {
  if (link.state === 'asking') return null;
  if (link.state === 'lost') return link.last;
  return { snapshot: link.snapshot, at: link.at, restartedAt: link.restartedAt };
}
