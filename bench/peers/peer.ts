import type { Command } from '../rig/children.ts';
import type { Role } from './roles.ts';

/** A proxy that the benchmark runs: how to start it, and where it listens. */
export type Peer = {
  readonly name: string;
  /** Seconds of load before anything is measured: a just-in-time compiler needs more than a compiled program. */
  readonly warmSeconds: number;
  /** Why this program cannot do what the role asks, or null. */
  lacks(role: Role): string | null;
  /** Writes what configuration the role needs and says how to start. */
  command(role: Role): Command;
  port(role: Role): number;
  /** For people: what version this is. */
  readonly version: string;
};

/** A peer, or why it cannot run here. */
export type Candidate = Peer | { readonly name: string; readonly missing: string };

export function isPeer(candidate: Candidate): candidate is Peer {
  return !('missing' in candidate);
}
