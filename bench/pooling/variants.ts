import { undiciProxy } from '../peers/baselines.ts';
import { carpool } from '../peers/carpool.ts';
import type { Candidate } from '../peers/peer.ts';

/** One proxy twice: with its pool and without. */
export type Variants = { readonly pooled: Candidate; readonly unpooled: Candidate };

/**
 * The proxies that can be run without their pool, or null for any other name.
 * @param trust the PEM file of the TLS origin's certificate
 * @param entry another build of carpool than the bundle
 */
export function variantsOf(subject: string, trust: string | null, entry: string | undefined): Variants | null {
  switch (subject) {
    case 'carpool': {
      const without = 'defaults: { pool: { enabled: false } }\n';
      const common = { trust, ...(entry === undefined ? {} : { entry }) };
      return { pooled: carpool(common), unpooled: carpool({ ...common, name: 'carpool-unpooled', yaml: without }) };
    }
    case 'undici':
      return { pooled: undiciProxy(), unpooled: undiciProxy('undici-unpooled', ['--no-pool']) };
    default:
      return null;
  }
}
