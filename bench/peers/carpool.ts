import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { ports } from '../rig/ports.ts';
import { projectDir, workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';

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
    port: () => ports.carpool,
    command() {
      const configuration = workPath('conf', `${name}.yaml`);
      const socket = workPath('run', `${name}.sock`);
      rmSync(socket, { force: true });
      writeFileSync(configuration, carpoolYaml(socket, options.yaml ?? ''));
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

function carpoolYaml(socket: string, more: string): string {
  return `listener: { port: ${ports.carpool} }
operator: { port: ${ports.carpoolOperator} }
control: { socket: ${socket} }
security: { allowAddresses: [127.0.0.0/8] }
telemetry: { accessLog: off }
${more}`;
}
