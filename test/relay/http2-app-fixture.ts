import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import type { DestinationStats } from '../../src/pool/stats.ts';
import { type RawApp, type RawAppOptions, rawApp } from '../http2/raw-app.ts';
import { type ScriptedServer, scriptedServer } from '../http2/scripted-server.ts';
import { type OriginConnection, type RawOrigin, rawOrigin } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

/** A sidecar with one destination, and what tests of the app's side ask of it. */
export type Behind = Sidecar & {
  /** `orders.test:port`. */
  readonly authority: string;
  /** An app that speaks raw HTTP/2, on a connection of its own. */
  client(t: Test, options?: RawAppOptions): Promise<RawApp>;
  stats(): Pick<DestinationStats, 'connecting' | 'active' | 'idle' | 'draining' | 'pending' | 'endpoints'>;
  /** The sum over the series `carpool_<name>` that have all these labels. */
  metric(name: string, ...labels: string[]): Promise<number>;
  /** Lines of the access log. */
  accessLog(): Record<string, unknown>[];
  /** Resolves when no exchange runs and no byte is held; fails by the test's own time-out. */
  nothingLeft(t: Test): Promise<void>;
};

/** A sidecar whose destination is `127.0.0.1:port`. */
export async function startBehind(
  t: Test,
  port: number,
  spoken: 'http1' | 'http2',
  policy: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
): Promise<Behind> {
  const authority = `orders.test:${port}`;
  const sidecar = await startSidecar(t, {
    destinations: [{ match: authority, protocol: spoken, endpoints: [`127.0.0.1:${port}`], ...policy }],
    ...settings,
  });
  const stats = (): ReturnType<Behind['stats']> =>
    sidecar.app.destinations().find(({ name }) => name === authority) ?? {
      connecting: 0,
      active: 0,
      idle: 0,
      draining: 0,
      pending: 0,
      endpoints: [],
    };
  const outstanding = (): number => stats().endpoints.reduce((sum, each) => sum + each.outstanding, 0);
  const streams = (): number =>
    stats().endpoints.reduce((sum, { connections }) => sum + connections.reduce((all, one) => all + one.streams, 0), 0);
  return {
    ...sidecar,
    authority,
    client: (t, options) => rawApp(t, sidecar.port, authority, options),
    stats,
    async metric(name, ...labels) {
      const response = await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`);
      const lines = (await response.text()).split('\n');
      return lines
        .filter((line) => /^\w+/.exec(line)?.[0] === `carpool_${name}` && labels.every((label) => line.includes(label)))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
    accessLog: () =>
      readFileSync(sidecar.logFile, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"msg":"access"'))
        .map((line): Record<string, unknown> => JSON.parse(line)),
    async nothingLeft(t) {
      await eventually(() => sidecar.app.process().exchanges === 0 && outstanding() === 0 && streams() === 0);
      // What a socket's queue held is looked at once a second.
      sidecar.clock.advance(1000);
      await eventually(() => {
        if (sidecar.app.process().bufferedBytes > 0) sidecar.clock.advance(100);
        return sidecar.app.process().bufferedBytes === 0;
      });
      t.equal(sidecar.app.process().bufferedBytes, 0, 'no byte is held');
      t.equal(stats().active + stats().pending + stats().draining, 0, 'no connection is busy');
    },
  };
}

/** In front of a raw HTTP/1.1 origin. */
export async function toHttp1(
  t: Test,
  policy: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
  onConnection?: (connection: OriginConnection) => void,
): Promise<Behind & { readonly origin: RawOrigin }> {
  const origin = await rawOrigin(t, onConnection);
  return { ...(await startBehind(t, origin.port, 'http1', policy, settings)), origin };
}

/** In front of a scripted HTTP/2 server. */
export async function toHttp2(
  t: Test,
  policy: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
  first: Parameters<typeof scriptedServer>[1] = [],
): Promise<Behind & { readonly server: ScriptedServer }> {
  const server = await scriptedServer(t, first);
  return { ...(await startBehind(t, server.port, 'http2', policy, settings)), server };
}

/** A whole answer of HTTP/1.1. */
export const http1Answer = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
