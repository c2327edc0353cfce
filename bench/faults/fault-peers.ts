import { writeFileSync } from 'node:fs';
import { undiciProxy } from '../peers/baselines.ts';
import { carpool } from '../peers/carpool.ts';
import { nginxConfiguration } from '../peers/nginx.ts';
import { isPeer, type Peer } from '../peers/peer.ts';
import { type Command, findProgram } from '../rig/children.ts';
import { ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';

/** A proxy in front of the scripted endpoints as one destination, everything else as its defaults have it. */
export type FaultPeer = {
  readonly name: string;
  readonly port: number;
  /** host:port as the app names the destination. */
  readonly host: string;
  /** Ports of its endpoints. */
  readonly endpoints: readonly number[];
  /** Whether it can spread over several endpoints; false: it knows the first alone. */
  readonly balances: boolean;
  readonly command: () => Command;
};

const GROUP = 'faults.test:8080';

function addressesOf(endpoints: readonly number[]): readonly string[] {
  return endpoints.map((port) => `127.0.0.1:${port}`);
}

function ofCarpool(endpoints: readonly number[], entry: string | undefined): FaultPeer | string {
  const addresses = addressesOf(endpoints).map((address) => `"${address}"`);
  const yaml = `destinations: [{ match: "${GROUP}", endpoints: [${addresses.join(', ')}] }]\n`;
  const candidate = carpool({ yaml, ...(entry === undefined ? {} : { entry }) });
  if (!isPeer(candidate)) return candidate.missing;
  const port = candidate.port('get');
  return { name: 'carpool', port, host: GROUP, endpoints, balances: true, command: () => candidate.command('get') };
}

function ofNginx(endpoints: readonly number[]): FaultPeer | string {
  const program = findProgram('nginx');
  if (program === null) return 'not installed: bench/setup.sh';
  // Reuse of upstream connections is no default of nginx 1.22, but without it there would be nothing to compare.
  const http = `upstream endpoints { ${addressesOf(endpoints)
    .map((a) => `server ${a};`)
    .join(' ')} keepalive 256; }
  server { listen 127.0.0.1:${ports.faultProxy} backlog=4096;
    location / { proxy_pass http://endpoints; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;
  return {
    name: 'nginx',
    port: ports.faultProxy,
    host: GROUP,
    endpoints,
    balances: true,
    command() {
      const file = workPath('conf', 'faults-nginx.conf');
      writeFileSync(file, nginxConfiguration('faults-nginx', http));
      return { argv: [program, '-e', '/dev/null', '-c', file] };
    },
  };
}

function ofHaproxy(endpoints: readonly number[]): FaultPeer | string {
  const program = findProgram('haproxy');
  if (program === null) return 'not installed: bench/setup.sh';
  // The time-outs have no default; these are those of Debian's haproxy.cfg.
  const configuration = `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
listen endpoints
  bind 127.0.0.1:${ports.faultProxy}
${addressesOf(endpoints)
  .map((address, i) => `  server e${i} ${address}`)
  .join('\n')}
`;
  return {
    name: 'haproxy',
    port: ports.faultProxy,
    host: GROUP,
    endpoints,
    balances: true,
    command() {
      const file = workPath('conf', 'faults-haproxy.cfg');
      writeFileSync(file, configuration);
      return { argv: [program, '-f', file, '-db'] };
    },
  };
}

function ofUndici(endpoints: readonly number[]): FaultPeer {
  const peer: Peer = undiciProxy();
  const host = addressesOf(endpoints)[0] ?? '';
  return {
    name: 'undici',
    port: peer.port('get'),
    host,
    endpoints,
    balances: false,
    command: () => peer.command('get'),
  };
}

/**
 * Those of the named peers that are there; the others are named on standard output with the reason.
 * @param endpoints ports of the scripted endpoints
 * @param entry another build of carpool than the bundle
 */
export function faultPeers(
  names: readonly string[],
  endpoints: readonly number[],
  entry: string | undefined,
): readonly FaultPeer[] {
  const makers: Readonly<Record<string, () => FaultPeer | string>> = {
    carpool: () => ofCarpool(endpoints, entry),
    nginx: () => ofNginx(endpoints),
    haproxy: () => ofHaproxy(endpoints),
    undici: () => ofUndici(endpoints),
  };
  return names.flatMap((name) => {
    const made = makers[name]?.() ?? 'there is no such peer';
    if (typeof made !== 'string') return [made];
    console.log(`# ${name} is left out: ${made}`);
    return [];
  });
}
