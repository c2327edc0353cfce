import { defaultConfig } from '../../src/config/load.ts';
import type { DestinationPolicy, HeadersPolicy, RetryPolicy } from '../../src/config/types.ts';

const { defaults } = defaultConfig();

/** The default policy with some values changed. */
export function policyOf(changes: {
  readonly retry?: Partial<RetryPolicy>;
  readonly headers?: HeadersPolicy;
}): DestinationPolicy {
  return {
    ...defaults,
    retry: { ...defaults.retry, ...changes.retry },
    headers: changes.headers ?? defaults.headers,
  };
}
