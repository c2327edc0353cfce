import type { WeightedTarget } from '../config/types.ts';
import type { CarpoolError } from '../errors.ts';

/** Whether the address of an endpoint may be dialled; null: yes. `written`: it stands in the configuration. */
export type AddressCheck = (address: string, port: number, written: boolean) => CarpoolError | null;

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
