import type { LogLevel } from '../config/types.ts';

/** Least to most severe; `silent` shows nothing. */
export const LOG_LEVELS = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
] as const satisfies readonly LogLevel[];
