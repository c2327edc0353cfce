import { DestinationObserver } from '../../src/observer.ts';
import type { SeenDestination } from '../../src/status/seen-destination.ts';
import { testConfig } from '../telemetry/fake-inspector.ts';

const POLICY = testConfig().defaults;

/** A destination of which only the counters and the fill of the pool matter. */
export function seen(name: string, taken = 0, pending = 0): SeenDestination & { pending: number } {
  const idle = { connecting: 0, active: 0, idle: 0, draining: 0 };
  const destination: SeenDestination & { pending: number } = {
    name,
    observer: new DestinationObserver(name),
    pending,
    policy: POLICY,
    pool: {
      limit: { current: 10 },
      places: { counted: taken, taken },
      allEndpoints: [],
      rotation: { candidates: [] },
    },
    summary: () => ({
      ...idle,
      name,
      label: name,
      configured: false,
      balancer: 'p2c',
      discovery: { source: 'dns', state: 'ready', error: null, ageMs: 0 },
      pending: destination.pending,
      maxConnections: 10,
      limit: { configured: 10, scaled: null, share: null, budget: null },
      floor: 0,
      paused: false,
      breaker: { state: 'off', failures: 0, triedAgainInMs: 0 },
      signals: [],
    }),
  };
  return destination;
}
