import { readFileSync } from 'node:fs';
import { createClient } from '@redis/client';
import type { Config } from '../config/types.ts';
import { RedisFailure } from './redis-failure.ts';
import { CONNECT_MS, type RedisConnection } from './redis-link.ts';

/** Where Redis is, for people: `host:port`. */
export function redisAddress(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? 6379 : port}`;
}

/**
 * Makes a connection. The files of password and CA are read anew each time, so that a rotation is followed.
 * @param onLost the connection is gone; at most once, and not after `destroy`
 * @throws RedisFailure where a file cannot be read
 */
export function openRedis(settings: Config['fleet']['redis'], onLost: (error: unknown) => void): RedisConnection {
  const { hostname, port, protocol, pathname } = new URL(settings.url ?? '');
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const password = settings.passwordFile === null ? null : readText(settings.passwordFile, 'fleet.redis.passwordFile');
  const ca = settings.ca === null ? null : readText(settings.ca, 'fleet.redis.ca');
  const at = {
    host,
    port: port === '' ? 6379 : Number(port),
    reconnectStrategy: false as const,
    connectTimeout: CONNECT_MS,
  };
  const client = createClient({
    // What every Redis and Valkey speaks; nothing in here needs more.
    RESP: 2,
    socket: protocol === 'rediss:' ? { ...at, tls: true, ...(ca === null ? {} : { ca }) } : at,
    ...(password === null ? {} : { password: password.trim() }),
    ...(settings.username === null ? {} : { username: settings.username }),
    database: Number(pathname.slice(1)) || 0,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // Whoever calls watches the time.
    commandOptions: { timeout: 0 },
  });
  let over = false;
  client.on('error', (error: unknown) => {
    if (over) return;
    over = true;
    onLost(error);
  });
  return {
    open: async () => {
      await client.connect();
      // A connect that was under way when it was destroyed is not ended by that.
      if (over) client.destroy();
    },
    send: (args) => client.sendCommand([...args]),
    destroy: () => {
      over = true;
      client.destroy();
    },
  };
}

function readText(file: string, setting: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : '';
    throw new RedisFailure(`${setting}: ${file} cannot be read (${String(code)})`, true);
  }
}
