import t from 'tap';
import { carpool } from '../../bench/peers/carpool.ts';
import { haproxy } from '../../bench/peers/haproxy.ts';
import { isPeer } from '../../bench/peers/peer.ts';
import { hostOf, type Role, roles } from '../../bench/peers/roles.ts';
import { makeCertificate } from '../../bench/rig/origins.ts';
import { ports } from '../../bench/rig/ports.ts';
import { loadConfig } from '../../src/config/load.ts';

const { certificate } = makeCertificate();
const peer = carpool({ name: 'carpool-in-a-test', entry: import.meta.filename });
if (!isPeer(peer)) throw new Error(peer.missing);

/** The configuration that carpool gets in a role, as it reads it. */
function configOf(role: Role): ReturnType<typeof loadConfig> {
  if (!isPeer(peer)) throw new Error(peer.missing);
  return loadConfig({ file: peer.command(role).argv.at(-1) ?? '', env: {}, flags: [] });
}

for (const [role, spec] of Object.entries(roles)) {
  if (!isRole(role)) continue;
  const without = spec.tls && certificate === null ? { skip: 'no openssl here' } : {};
  t.test(`carpool takes its configuration for ${role}, and without a warning`, without, async (t) => {
    const { config, warnings } = configOf(role);
    t.same(warnings, []);
    t.equal(config.listener.port, peer.port(role));
    const [destination] = config.destinations;
    const configured = spec.app === 'http2' || spec.upstream === 'http2' || spec.tls;
    t.equal(destination?.policy.protocol, configured ? spec.upstream : undefined);
    t.equal(destination?.policy.tls.originate, configured ? spec.tls : undefined);
  });
}

function isRole(name: string): name is Role {
  return Object.hasOwn(roles, name);
}

t.test('of the two roles with CONNECT, one makes a TLS port of the origin’s, which is not looked into', async (t) => {
  const toOrigin = ({ from, to }: { readonly from: number; readonly to: number }): boolean =>
    from <= ports.origin && ports.origin <= to;
  t.equal(configOf('connect').config.connect.tlsPorts.some(toOrigin), true);
  t.equal(configOf('seen').config.connect.tlsPorts.some(toOrigin), false);
});

t.test('a TLS origin is called by the name in its certificate, all others by their address', async (t) => {
  t.equal(hostOf('tls-h2'), `localhost:${ports.h2OriginTls}`);
  t.equal(hostOf('h2'), `127.0.0.1:${ports.h2Origin}`);
});

t.test('a reverse proxy takes no part where CONNECT is asked for', async (t) => {
  const candidate = haproxy();
  if (!isPeer(candidate)) {
    t.pass(candidate.missing);
    return;
  }
  t.match(candidate.lacks('connect') ?? '', /CONNECT/);
  t.equal(candidate.lacks('h2'), null);
});
