import type { WeightedTarget } from '../config/types.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import type { CarpoolError } from '../errors.ts';

/** Who has brought up an address: the configuration, the app that called it by its address (or localhost), or discovery. */
export type AddressTrust = 'written' | 'named' | 'found';

/** Whether the address of an endpoint may be dialled; null: yes. */
export type AddressCheck = (address: string, port: number, trust: AddressTrust) => CarpoolError | null;

/** What the app named, and what the configuration says of it. */
export type DestinationIdentity = {
  /** Lower case; an IPv6 literal without brackets; a trailing dot is kept, for it says that the name is absolute. */
  readonly host: string;
  readonly port: number;
  /** What it is called in logs, errors and commands. */
  readonly name: string;
  /** Whether carpool opens TLS to it. */
  readonly secure: boolean;
  /** Metric label. */
  readonly label: string;
  readonly configured: boolean;
  /** Which entry of the configuration it goes by, or null. */
  readonly entry: string | null;
  /** Written in the configuration, or null: to be found. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[] | null;
  /** Where its requests go instead; null or absent: where the app says. */
  readonly to?: readonly WeightedTarget[] | null;
};

/** Who has brought up the address of this endpoint. */
export function trustIn(endpoint: EndpointSpec, { host, endpoints }: DestinationIdentity): AddressTrust {
  if (endpoints !== null || endpoint.written === true) return 'written';
  return endpoint.address === host || host === 'localhost' ? 'named' : 'found';
}
