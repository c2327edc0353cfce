import { CODE_CLASSES, type DestinationObserver, DURATION_SLOTS } from '../observer.ts';

/** Where each of them stands in the array that `lifeCounts` fills. */
export const ENDED = 0;
export const FAILED = 1;
export const REUSED = 2;
export const FRESH = 3;
/** Seconds that requests held their connections. */
export const HELD = 4;
/** How long requests took, by the slots of `DestinationObserver.durationSlots`. */
export const DURATIONS = 5;
export const LIFE_COUNTS = DURATIONS + DURATION_SLOTS;

const NO_ANSWER = CODE_CLASSES.indexOf('none');
const SERVER_ERROR = CODE_CLASSES.indexOf('5xx');

/**
 * Fills `into` with what an observer has counted in its whole life, whatever scrapes have moved on meanwhile: requests
 * that ended, those that failed (5xx, or no answer), those on used and on fresh connections, and how long they took.
 */
export function lifeCounts(observer: DestinationObserver, into: Float64Array): void {
  const { carried } = observer;
  if (carried === null) into.fill(0);
  else into.set(carried);
  addCurrent(observer, into);
  into[ENDED] = observer.ended;
  into[HELD] = observer.heldSeconds;
  into.set(observer.durationSlots, DURATIONS);
}

/** Remembers what is about to be set back, so that `lifeCounts` goes on from there. */
export function carry(observer: DestinationObserver): void {
  observer.carried ??= new Float64Array(DURATIONS);
  addCurrent(observer, observer.carried);
}

function addCurrent(observer: DestinationObserver, to: Float64Array): void {
  const { requests } = observer;
  let failed = 0;
  for (let at = 0; at < requests.length; at += CODE_CLASSES.length)
    failed += (requests[at + NO_ANSWER] ?? 0) + (requests[at + SERVER_ERROR] ?? 0);
  to[FAILED] = (to[FAILED] ?? 0) + failed;
  to[REUSED] = (to[REUSED] ?? 0) + observer.reusedRequests;
  to[FRESH] = (to[FRESH] ?? 0) + observer.freshRequests;
}
