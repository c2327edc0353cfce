import type { Config } from '../config/types.ts';
import type { CarpoolError } from '../errors.ts';
import type { BufferBudget } from '../forward/buffer-budget.ts';
import type { ForwardContext } from '../forward/forward-context.ts';
import type { HeadScanner } from '../protocol/http1/head-scanner.ts';
import type { Router } from '../routing/router.ts';
import type { Sessions } from './sessions.ts';
import type { TunnelRegistry } from './tunnel.ts';

/** What all downstream connections share. */
export type ListenerContext = {
  readonly router: Router;
  readonly forward: ForwardContext;
  readonly budget: BufferBudget;
  readonly tunnels: TunnelRegistry;
  readonly sessions: Sessions;
  /** Scans requests of all downstream connections: one read event at a time. */
  readonly requestScanner: HeadScanner;
  /** The configuration in force; a reload replaces it. */
  config: Config;
  /** The token in `Via` that tells this process from others. */
  readonly viaToken: string;
  /** `draining`: answers say `Connection: close`; `refusing`: the last second, new requests get 503. */
  phase: 'serving' | 'draining' | 'refusing';
  /** Counts an error that belongs to no destination. */
  countError(error: CarpoolError): void;
  /** Called for each request, so that a stop can see whether any still come. */
  lastRequestAt: number;
  /** What the app's HTTP_PROXY has to be. */
  proxyUrl: string;
  /** Whether the app has ever sent a request that was meant to go on. */
  requestSeen: boolean;
};
