/** Chromium: where Debian puts it; CHROMIUM names another one. */
export const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
