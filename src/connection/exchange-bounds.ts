/** More interim responses than this before the final one are an attack or a fault (robustness rule 14). */
export const MAX_INTERIM = 32;
/** An idle time that is worth telling the learner of idle time-outs. */
export const WORTH_NOTING_MS = 500;
