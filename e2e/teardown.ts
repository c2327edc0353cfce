/** Whoever ends what was started for it: a test, or a program that cleans up after itself. */
export type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };
