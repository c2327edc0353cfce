import { hostname } from 'node:os';
import type { ProcessStats } from '../admin/inspector.ts';
import type { Clock } from '../clock.ts';
import type { SidecarView } from './types.ts';

/** Looks closer together than this share one figure of the processor: a moment says nothing. */
const CPU_WINDOW_MS = 500;

/** What the sidecar as a whole looks like. */
export class SidecarViews {
  readonly #clock: Clock;
  readonly #configFile: string | null;
  readonly #host = hostname();
  #cpuAt: number;
  #cpuMicroseconds = cpuMicroseconds();
  #cpuShare = 0;

  constructor(clock: Clock, configFile: string | null) {
    this.#clock = clock;
    this.#configFile = configFile;
    this.#cpuAt = clock.now();
  }

  /** @param proxyUrl what the app's HTTP_PROXY has to be */
  of(stats: ProcessStats, proxyUrl: string): SidecarView {
    const { limits, kubernetes, fleet } = stats;
    return {
      version: stats.version,
      state: stats.state,
      uptimeMs: Math.round(stats.uptimeMs),
      host: this.#host,
      proxyUrl,
      configFile: this.#configFile,
      exchanges: stats.exchanges,
      tunnels: stats.tunnels,
      downstreamConnections: stats.downstreamConnections,
      upstreamConnections: stats.upstreamConnections,
      maxConnections: limits.maxConnections,
      bufferedBytes: stats.bufferedBytes,
      bufferBytes: limits.bufferBytes,
      memoryBytes: process.memoryUsage.rss(),
      cpuShare: this.#cpu(),
      kubernetes,
      fleet,
      reloads: stats.reloads,
    };
  }

  #cpu(): number {
    const now = this.#clock.now();
    const passedMs = now - this.#cpuAt;
    if (passedMs < CPU_WINDOW_MS) return this.#cpuShare;
    const used = cpuMicroseconds();
    this.#cpuShare = Math.round((used - this.#cpuMicroseconds) / passedMs) / 1000;
    this.#cpuAt = now;
    this.#cpuMicroseconds = used;
    return this.#cpuShare;
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
