import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import type { Clock } from '../clock.ts';
import { LOG_LEVELS } from '../config/choices.ts';
import type { LogLevel } from '../config/types.ts';
import { humanLine } from './human-line.ts';
import { LineWriter } from './line-writer.ts';

export type { Logger } from 'pino';

/** A safety net: no call site logs these, and should one do it by mistake, the value does not leave the process. */
const SECRET_FIELDS = [
  'authorization',
  'proxyAuthorization',
  'cookie',
  'setCookie',
  'token',
  'password',
  'secret',
  'apiKey',
];

export type LogOptions = {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Lines for people instead of JSON; only where the descriptor is a terminal. */
  readonly human?: boolean;
  /** 1, standard output, unless a test says otherwise. */
  readonly fd?: number;
  /** Bytes of lines that may wait for the reader. */
  readonly maxBytes?: number;
};

/** The process's log: JSON lines with level, time (ISO 8601), msg and fields of ours, written without ever blocking. */
export type SidecarLog = {
  readonly logger: Logger;
  /** For lines that do not go through the logger (the access log); a line end included. */
  readonly writer: LineWriter;
  /** Returns false, and changes nothing, for a word that is no level. */
  setLevel(level: string): boolean;
  /** Logs a fault that ends the process, and writes everything out before it returns. */
  fatal(error: unknown, message: string): void;
  /** Writes out what waits, as far as the reader takes it within a moment. */
  close(): void;
};

/** Opens the log. It flushes itself when the process exits. */
export function openLog(options: LogOptions): SidecarLog {
  const fd = options.fd ?? 1;
  const writer = new LineWriter({
    clock: options.clock,
    fd,
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
  });
  const human = options.human === true && isatty(fd);
  const stream = human ? { write: (line: string) => writer.write(humanLine(line)) } : writer;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.wall()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '***' },
    },
    stream,
  );
  const onExit = () => writer.flushSync();
  process.once('exit', onExit);
  return {
    logger,
    writer,
    setLevel: (level) => {
      if (!LOG_LEVELS.some((known) => known === level)) return false;
      logger.level = level;
      return true;
    },
    fatal: (error, message) => {
      logger.fatal({ err: error }, message);
      writer.flushSync();
    },
    close: () => {
      process.off('exit', onExit);
      writer.close();
    },
  };
}
