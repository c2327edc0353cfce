import type { FleetStats } from './admin/inspector.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/types.ts';
import type { EndpointSources } from './endpoint-sources.ts';
import type { Tracing } from './forward/request-trace.ts';
import type { EventSink } from './observer.ts';
import type { Router } from './routing/router.ts';
import type { SpanCounts } from './tracing/span-counts.ts';

/** Something that runs beside the requests: it is loaded only where the configuration asks for it. */
export interface SideService {
  /** About once a second. */
  tick(now: number): void;
  /** A reload was applied. */
  reconfigure(config: Config): void;
  /** Who divides the fleet's budget, where that is what it does. */
  fleet?(): FleetStats;
  /** What became of spans, where that is what it makes; null: it made none. */
  readonly spans?: SpanCounts | null;
  /** The stop waits for it where it gives a promise: a second at most. */
  close(): void | Promise<void>;
}

/** What all side services share. */
export type SideContext = {
  readonly clock: Clock;
  readonly router: Router;
  readonly events: EventSink;
  readonly sources: EndpointSources;
  /** Where requests look who follows them. */
  readonly forward: { tracing: Tracing | null };
  readonly version: string;
  readonly log: { info(message: string): void; warn(message: string): void };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly random: () => number;
};

/** How a service comes to be: whether a configuration wants it, and how its code is loaded. */
type Kind = {
  readonly name: string;
  readonly wanted: (config: Config) => boolean;
  readonly open: (config: Config, context: SideContext) => Promise<SideService>;
};

const KINDS: readonly Kind[] = [
  {
    name: 'health checks',
    wanted: ({ defaults, destinations }) =>
      defaults.healthCheck.enabled || destinations.some(({ policy }) => policy.healthCheck.enabled),
    open: async (_config, context) => {
      const { HealthChecks } = await import('./health/health-checks.ts');
      return new HealthChecks(context);
    },
  },
  {
    name: 'the fleet’s coordinator',
    wanted: ({ fleet, destinations }) =>
      fleet.coordinator !== null &&
      (fleet.maxConnections !== null || destinations.some(({ fleet: own }) => own.maxConnections !== null)),
    open: async (config, context) => {
      const { openFleet } = await import('./fleet/fleet-service.ts');
      return openFleet(config, context);
    },
  },
  {
    name: 'tracing',
    wanted: ({ telemetry }) => telemetry.tracing.enabled || telemetry.exemplars,
    open: async (_config, context) => {
      const { TracingService } = await import('./tracing/tracing-service.ts');
      return new TracingService(context);
    },
  },
];

type Slot = { readonly kind: Kind; service: SideService | null; opening: boolean };

/** Active health checks, the share of a fleet's budget, tracing: opened when a configuration first wants them, ticked, closed. */
export class SideServices {
  readonly #context: SideContext;
  readonly #slots: readonly Slot[] = KINDS.map((kind) => ({ kind, service: null, opening: false }));
  #config: Config;
  #closed = false;

  constructor(config: Config, context: SideContext) {
    this.#config = config;
    this.#context = context;
  }

  /** Who divides the fleet's budget, or null. */
  get fleet(): FleetStats | null {
    for (const { service } of this.#slots) if (service?.fleet !== undefined) return service.fleet();
    return null;
  }

  /** What became of spans; null: none were ever made. */
  get spans(): SpanCounts | null {
    for (const { service } of this.#slots) if (service?.spans !== undefined) return service.spans;
    return null;
  }

  /** @param onFault told where the code of a service could not be loaded or begun */
  start(onFault: (name: string, error: unknown) => void): void {
    for (const slot of this.#slots) {
      if (slot.service !== null || slot.opening || !slot.kind.wanted(this.#config)) continue;
      slot.opening = true;
      slot.kind.open(this.#config, this.#context).then(
        (service) => {
          slot.opening = false;
          if (this.#closed) return void service.close();
          slot.service = service;
          service.reconfigure(this.#config);
        },
        (error: unknown) => {
          slot.opening = false;
          onFault(slot.kind.name, error);
        },
      );
    }
  }

  reconfigure(config: Config, onFault: (name: string, error: unknown) => void): void {
    this.#config = config;
    for (const { service } of this.#slots) service?.reconfigure(config);
    this.start(onFault);
  }

  tick(now: number): void {
    for (const { service } of this.#slots) service?.tick(now);
  }

  /** Resolves when what was to be sent at the end is, or is given up. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#slots.map(({ service }) => service?.close()));
  }
}
