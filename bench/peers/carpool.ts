import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { originCertificate } from '../rig/origins.ts';
import { ports } from '../rig/ports.ts';
import { projectDir, workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';
import { hostOf, type Role, roles } from './roles.ts';

export type CarpoolOptions = {
  readonly name?: string;
  /** The bundle, or another entry (an older build, src/main.ts). */
  readonly entry?: string;
  readonly nodeFlags?: readonly string[];
  /** Lines of YAML added to the configuration, for the comparisons that need more than the plain one. */
  readonly yaml?: string;
  /** A PEM file that upstream TLS is to trust. */
  readonly trust?: string | null;
};

/** carpool, as it is shipped: the bundle, its defaults, nothing tuned for the benchmark. */
export function carpool(options: CarpoolOptions = {}): Candidate {
  const name = options.name ?? 'carpool';
  const entry = options.entry ?? `${projectDir}dist/carpool.js`;
  if (!existsSync(entry)) return { name, missing: `not built (${entry} is not there): make build` };
  return {
    name,
    warmSeconds: 3,
    version: `node ${process.version}`,
    lacks: () => null,
    port: () => ports.carpool,
    command(role) {
      const configuration = workPath('conf', `${name}.yaml`);
      const socket = workPath('run', `${name}.sock`);
      rmSync(socket, { force: true });
      writeFileSync(configuration, carpoolYaml(socket, options.yaml ?? yamlOf(role)));
      return {
        argv: [process.execPath, ...(options.nodeFlags ?? []), entry, 'run', '--config', configuration],
        env: {
          NODE_ENV: 'production',
          ...(options.trust ? { NODE_EXTRA_CA_CERTS: options.trust } : {}),
        },
      };
    },
  };
}

/**
 * What a role needs besides the plain configuration. An HTTP/2 or TLS origin is a destination that says so; `connect`
 * names the origin's port as one of TLS, which makes a tunnel of it whatever goes through. The budget for buffers follows
 * the memory limit of a container, which there is none of here: where memory is asked for it is that of 256 MiB.
 */
function yamlOf(role: Role): string {
  const { app, upstream, tls, port } = roles[role];
  if (role === 'connect') return `connect: { tlsPorts: [${port}] }\n`;
  if (app !== 'http2' && upstream === 'http1' && !tls) return '';
  const secure = tls ? `, tls: { originate: true, ca: ${originCertificate()} }` : '';
  const endpoint = `match: "${hostOf(role)}", endpoints: ["127.0.0.1:${port}"]`;
  const limits = role.startsWith('stalled') ? 'limits: { bufferBytes: 64MiB }\n' : '';
  return `${limits}destinations: [{ ${endpoint}, protocol: ${upstream}${secure} }]\n`;
}

function carpoolYaml(socket: string, more: string): string {
  return `listener: { port: ${ports.carpool} }
operator: { port: ${ports.carpoolOperator} }
control: { socket: ${socket} }
security: { allowAddresses: [127.0.0.0/8] }
telemetry: { accessLog: off }
${more}`;
}
