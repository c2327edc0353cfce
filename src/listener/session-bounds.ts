/** How long, and for how many bytes, a downstream connection goes on when its exchange does not. */

/** Bytes of an upload that are still read after its response is complete. */
export const DRAIN_BYTES = 256 * 1024;
export const DRAIN_MS = 5000;
export const LINGER_MS = 2000;
export const LINGER_BYTES = 1024 * 1024;
/** How long an app that closed its sending side may still be waiting for the response. */
export const HALF_CLOSED_MS = 250;
