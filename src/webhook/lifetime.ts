/** How much earlier than it is made a certificate begins to hold, in milliseconds: clocks of API servers may be behind ours. */
export const BACKDATE_MS = 3_600_000;
