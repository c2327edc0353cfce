/** What went wrong with Redis, and what to do about it; without a word of a secret. */
export class RedisFailure extends Error {
  /** Another connection may help: it is closed, and another one opened. */
  readonly reconnect: boolean;

  constructor(message: string, reconnect: boolean) {
    super(message);
    this.name = 'RedisFailure';
    this.reconnect = reconnect;
  }
}

/** By the first word of an error that Redis answers. */
const ANSWERS: Readonly<Record<string, readonly [what: string, todo: string, reconnect: boolean]>> = {
  NOAUTH: ['wants a password', 'set fleet.redis.passwordFile', true],
  WRONGPASS: ['refuses the user or the password', 'look at fleet.redis.username and fleet.redis.passwordFile', true],
  NOPERM: [
    'does not let this user do what is needed',
    'allow eval, evalsha, hgetall, hset, hdel, pexpire and time on the keys of fleet.redis.prefix',
    false,
  ],
  LOADING: ['is loading its data', 'wait, or look why that takes so long', true],
  READONLY: ['is a replica, which takes no writes', 'let fleet.redis.url name the primary', true],
  MASTERDOWN: ['is a replica without its primary', 'let fleet.redis.url name the primary', true],
  MOVED: ['is a node of a cluster', 'use a Redis that is no cluster', false],
  CROSSSLOT: ['is a node of a cluster', 'use a Redis that is no cluster', false],
  CLUSTERDOWN: ['is a node of a cluster', 'use a Redis that is no cluster', false],
  WRONGTYPE: [
    'has something else under the key',
    'set another fleet.redis.prefix, or delete what is in the way',
    false,
  ],
  OOM: ['has no memory left', 'raise its maxmemory: carpool needs a few kilobytes', false],
  MISCONF: ['cannot write to its disk and therefore takes no writes', 'look at its log', false],
  BUSY: ['is busy with a script', 'look at its slow log', true],
};

/** By code of the system or of TLS. */
const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: look at fleet.redis.url and at Redis',
  ENOTFOUND: 'the name is not known: look at fleet.redis.url',
  EAI_AGAIN: 'the name cannot be looked up now: look at the nameserver',
  ETIMEDOUT: 'there is no answer: look at Redis, and at network policies',
  ECONNRESET: 'the connection was reset: look at Redis, and whether it wants TLS (rediss://)',
};

/** @param where `host:port` */
export function redisFailure(error: unknown, where: string): RedisFailure {
  if (error instanceof RedisFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const answer = ANSWERS[kindOf(message)];
  if (answer !== undefined) return new RedisFailure(`Redis at ${where} ${answer[0]}: ${answer[1]}`, answer[2]);
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (typeof code === 'string') {
    const words = CODES[code] ?? (/CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(code) ? tlsWords(message) : message);
    return new RedisFailure(`Redis at ${where}: ${words} (${code})`, true);
  }
  // So says the client of Redis of the first byte of an answer.
  if (message.startsWith('Unknown RESP type'))
    return new RedisFailure(
      `Redis at ${where}: what answers there is not Redis: look at fleet.redis.url (${message.slice(0, 50)})`,
      true,
    );
  // Whatever else Redis answers has no secret in it; it is cut, for nobody knows how long it is.
  return new RedisFailure(`Redis at ${where}: ${message.slice(0, 200)}`, true);
}

function kindOf(message: string): string {
  // So says Redis 7 where the user may run the script, but not what is in it; …
  if (message.includes("executing the script can't run")) return 'NOPERM';
  // … and so to calls of more than ten words from whoever has not said the password.
  if (message.includes('unauthenticated')) return 'NOAUTH';
  return /^[A-Z]+/.exec(message)?.[0] ?? '';
}

function tlsWords(message: string): string {
  return `TLS fails: ${message.slice(0, 200)}; look at fleet.redis.ca`;
}

export function noAnswer(where: string, ms: number): RedisFailure {
  return new RedisFailure(
    `Redis at ${where} has not answered for ${ms} ms: look at Redis, and at network policies`,
    true,
  );
}
