import type { Logger } from './log.ts';

/** A line for each tunnel in which TLS names its server (SNI), where the log is that talkative. */
export class ServerNameLog {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get wanted(): boolean {
    return this.#logger.isLevelEnabled('debug');
  }

  serverName(destination: string, serverName: string): void {
    this.#logger.debug({ destination, serverName }, 'TLS inside a tunnel');
  }
}
