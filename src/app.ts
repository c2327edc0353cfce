import { randomBytes } from 'node:crypto';
import type { Inspector, ProcessStats } from './admin/inspector.ts';
import { AdminDoors } from './admin-doors.ts';
import type { Clock } from './clock.ts';
import { dialledHost, showHostPattern } from './config/addresses.ts';
import type { LoadedConfig } from './config/load.ts';
import { ConfigWatcher } from './config/reload.ts';
import type { Config } from './config/types.ts';
import { Http2Connection } from './connection/http2-connection.ts';
import { AddressRules, type OwnListener } from './discovery/address-rules.ts';
import { EndpointSources } from './endpoint-sources.ts';
import { connectionLimits, fileDescriptorLimit } from './file-limit.ts';
import { BufferBudget } from './forward/buffer-budget.ts';
import type { ForwardContext } from './forward/forward-context.ts';
import { Listener } from './listener/listener.ts';
import type { ListenerContext } from './listener/listener-context.ts';
import { localDestination } from './listener/request-plan.ts';
import { Sessions } from './listener/sessions.ts';
import { TunnelRegistry } from './listener/tunnel.ts';
import type { DestinationObserver } from './observer.ts';
import { Capacity } from './pool/capacity.ts';
import type { DestinationCounts, DestinationStats } from './pool/stats.ts';
import { countsOf } from './pool/totals.ts';
import { Head } from './protocol/head.ts';
import { HeadScanner } from './protocol/http1/head-scanner.ts';
import { Router } from './routing/router.ts';
import { SideServices } from './side-services.ts';
import { SideViews } from './side-views.ts';
import type { StatusModel } from './status/status-model.ts';
import { Steering } from './steering.ts';
import { AccessLog } from './telemetry/access-log.ts';
import { configuredLabel, DestinationLabels } from './telemetry/destination-labels.ts';
import { EventLoopMonitor } from './telemetry/event-loop.ts';
import { openLog, type SidecarLog } from './telemetry/log.ts';
import { PoolLog } from './telemetry/pool-log.ts';
import { PoolMonitor } from './telemetry/pool-monitor.ts';
import { ServerNameLog } from './telemetry/server-name-log.ts';
import { Ticker, tickIntervalMs } from './ticker.ts';
import { EventClock } from './transport/event-clock.ts';

/** After a stop begins, idle downstream connections are closed when so long has passed. */
const CLOSE_IDLE_AFTER_MS = 1000;
/** In the last part of the grace new requests are refused. */
const REFUSE_BEFORE_END_MS = 1000;

export type AppOptions = {
  readonly version: string;
  readonly clock: Clock;
  /** Where the configuration came from: the file that is watched, or null. */
  readonly file: string | null;
  readonly loaded: LoadedConfig;
  /** Reads all sources again; throws ConfigProblems. */
  readonly load: () => LoadedConfig;
  /** The process' variables; where the Kubernetes API server is, among them. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The descriptor that the log goes to; 1 unless a test says otherwise. */
  readonly logFd?: number;
};

/** Where the sidecar listens. */
export type AppAddresses = {
  readonly listener: OwnListener;
  readonly operator: OwnListener | null;
  readonly localPorts: readonly { readonly destination: string; readonly port: number }[];
};

type AppState = 'starting' | 'ready' | 'draining' | 'stopped';

/** Builds and wires everything: the one place that knows all parts, and the order in which they start and stop. */
export class App implements Inspector {
  readonly log: SidecarLog;
  readonly #options: AppOptions;
  readonly #clock: Clock;
  readonly #sessions = new Sessions();
  readonly #listeners: Listener[] = [];
  readonly #tunnels: TunnelRegistry;
  readonly #capacity: Capacity;
  readonly #budget: BufferBudget;
  readonly #views: SideViews;
  readonly #status: StatusModel;
  readonly #doors: AdminDoors;
  readonly #monitor: PoolMonitor;
  readonly #poolLog: PoolLog;
  readonly #labels: DestinationLabels;
  /** Counts what belongs to no destination: requests that could not be read. */
  readonly #strays: DestinationObserver;
  readonly #accessLog: AccessLog;
  readonly #forward: ForwardContext;
  readonly #listening: ListenerContext;
  readonly #router: Router;
  readonly #sources: EndpointSources;
  readonly #ticker: Ticker;
  readonly #watcher: ConfigWatcher;
  /** What the control socket may do. */
  readonly steering: Steering;
  readonly #side: SideServices;
  readonly #eventLoop = new EventLoopMonitor();
  readonly #files = fileDescriptorLimit();
  #rules: AddressRules;
  #state: AppState = 'starting';
  #config: Config;
  #reloads: ProcessStats['reloads'] = { applied: 0, refused: 0, lastError: null };
  readonly #startedAt: number;

  constructor(options: AppOptions) {
    const clock = new EventClock(options.clock);
    const { config } = options.loaded;
    this.#options = options;
    this.#clock = clock;
    this.#config = config;
    this.#startedAt = clock.now();
    this.log = openLog({
      level: config.telemetry.logLevel,
      clock,
      human: config.profile === 'development',
      ...(options.logFd === undefined ? {} : { fd: options.logFd }),
    });
    this.#views = new SideViews({ logger: this.log.logger, clock });
    const { events, errors } = this.#views;
    this.#monitor = new PoolMonitor(events);
    this.#poolLog = new PoolLog(this.log.logger);
    this.#labels = new DestinationLabels({ clock, maxDestinations: config.telemetry.maxDestinations, errors });
    this.#strays = this.#labels.open('-', '-');
    this.#accessLog = new AccessLog(config.telemetry, this.log.writer);
    const limits = connectionLimits(config, this.#files);
    this.#capacity = new Capacity(limits.upstream);
    this.#budget = new BufferBudget(config.limits.bufferBytes);
    this.#tunnels = new TunnelRegistry(config.limits.tunnels, new ServerNameLog(this.log.logger));
    this.#rules = this.#addressRules(config);
    const { logger } = this.log;
    this.#sources = new EndpointSources(config, {
      // Not the clock of read events: the API client's events are none of ours.
      clock: options.clock,
      log: {
        info: (message, fields) => logger.info(fields ?? {}, message),
        warn: (message, fields) => logger.warn(fields ?? {}, message),
      },
      events,
      env: options.env,
      version: options.version,
    });
    const scanner = (): HeadScanner => new HeadScanner(new Head(config.listener.maxFields), config.listener);
    let connectionId = 0;
    this.#router = new Router(config, {
      discovery: this.#sources.discovery,
      allowed: (address, port, trust) =>
        trust === 'written' ? this.#rules.checkOwn(address, port) : this.#rules.check(address, port, trust === 'named'),
      context: {
        clock,
        capacity: this.#capacity,
        events,
        responseScanner: scanner(),
        openHttp2: (opening) => new Http2Connection(opening, { clock, account: this.#budget, limits: config.listener }),
        pingAfterMs: () => this.#config.http2.pingAfterMs,
        nextConnectionId: () => ++connectionId,
        random: Math.random,
      },
      events,
      observe: (name, entry) => this.#labels.open(name, entry === null ? null : configuredLabel(entry)),
      forget: (observer) => this.#labels.close(observer),
    });
    const noOne = { accessLog: null, tracing: null };
    this.#forward = { clock, budget: this.#budget, keptScanner: scanner(), random: Math.random, ...noOne };
    this.#listening = {
      router: this.#router,
      forward: this.#forward,
      budget: this.#budget,
      tunnels: this.#tunnels,
      sessions: this.#sessions,
      requestScanner: scanner(),
      config: { ...config, listener: { ...config.listener, maxConnections: limits.downstream } },
      viaToken: `carpool-${randomBytes(6).toString('hex')}`,
      phase: 'serving',
      countError: (error) => this.#strays.failed(error),
      lastRequestAt: clock.now(),
      proxyUrl: '',
      requestSeen: false,
    };
    this.#status = this.#views.model({
      inspector: this,
      router: this.#router,
      labels: this.#labels,
      configFile: options.file,
      listening: this.#listening,
    });
    this.#setAccessLog(config);
    this.#ticker = new Ticker(clock, tickIntervalMs(config));
    this.#ticker.add((now) => this.#tick(now));
    this.#watcher = new ConfigWatcher({
      file: options.file,
      loaded: options.loaded,
      load: options.load,
      clock,
      onChanged: (loaded, _explanation, lines) => this.#reconfigure(loaded.config, lines),
      onRefused: (_problems, lines) => this.#refused(lines),
      onUnchanged: () => {
        this.#reloads = { ...this.#reloads, lastError: null };
      },
      onWarning: (message) => this.log.logger.warn(message),
    });
    const shared = { router: this.#router, sources: this.#sources, events };
    this.steering = new Steering({ ...shared, watcher: this.#watcher, log: this.log });
    this.#doors = new AdminDoors({
      inspector: this,
      controller: this.steering,
      status: this.#status,
      labels: this.#labels,
      discovery: this.#sources.observer,
      eventLoop: this.#eventLoop,
      clock,
      log: this.log,
      proxyUrl: () => this.#listening.proxyUrl,
      misused: (error) => this.#strays.failed(error),
    });
    const { env, version } = options;
    const asked = { ...shared, clock, forward: this.#forward, env, version, random: Math.random };
    this.#side = new SideServices(config, { ...asked, log: logger });
  }

  // --- start

  /**
   * Listens. Rejects with `ListenError` or `CarpoolError` CONFIG_INVALID, which name the port and its setting, where a
   * port is not to be had.
   */
  async start(): Promise<AppAddresses> {
    const { listener, destinations } = this.#config;
    const main = new Listener(this.#listening, this.#sessions, null, 'listener.port');
    await main.listen(listener.host, listener.port);
    this.#listeners.push(main);
    const localPorts: { destination: string; port: number }[] = [];
    for (const entry of destinations) {
      if (entry.localPort === null) continue;
      const local = localDestination(entry);
      const each = new Listener(this.#listening, this.#sessions, local, `localPort of ${local.host}`);
      await each.listen('127.0.0.1', entry.localPort);
      this.#listeners.push(each);
      localPorts.push({ destination: `${local.host}:${local.port}`, port: each.address?.port ?? entry.localPort });
    }
    const operator = await this.#doors.start(this.#config);
    const bound = main.address ?? listener;
    this.#listening.proxyUrl = `http://${showHostPattern({ host: dialledHost(bound.host), port: bound.port })}`;
    this.#ownPorts = [{ ...bound }, ...(operator === null ? [] : [operator])];
    for (const { port } of localPorts) this.#ownPorts.push({ host: '127.0.0.1', port });
    this.#rules = this.#addressRules(this.#config);
    this.#ticker.start();
    this.#state = 'ready';
    this.#sources.prepare();
    this.#side.start(this.#sideFault);
    return { listener: { host: bound.host, port: bound.port }, operator, localPorts };
  }

  #ownPorts: OwnListener[] = [];

  readonly #sideFault = (name: string, error: unknown): void =>
    this.log.logger.error({ err: error }, `${name} could not be begun`);

  #addressRules(config: Config): AddressRules {
    const { allowAddresses: allow, allowLoopback } = config.security;
    return new AddressRules({ allow, allowLoopback, listeners: this.#ownPorts });
  }

  #setAccessLog(config: Config): void {
    this.#accessLog.configure(config.telemetry);
    this.#forward.accessLog = config.telemetry.accessLog === 'off' ? null : this.#accessLog;
  }

  // --- while it runs

  #tick(now: number): void {
    this.#sessions.tick(now);
    this.#tunnels.tick(now);
    this.#router.tick(now);
    this.#monitor.tick(now, this.#router.destinations);
    this.#side.tick(now);
    this.#status.tick(now);
    this.#poolLog.tick(now, this.#config.telemetry.poolLogIntervalMs, () => this.#router.destinations);
  }

  #reconfigure(config: Config, lines: readonly string[]): void {
    const { logger } = this.log;
    this.#config = config;
    this.log.setLevel(config.telemetry.logLevel);
    this.#setAccessLog(config);
    this.#labels.setMaxDestinations(config.telemetry.maxDestinations);
    const limits = connectionLimits(config, this.#files);
    this.#capacity.setMax(limits.upstream);
    this.#tunnels.setMax(config.limits.tunnels);
    this.#sources.reconfigure(config);
    this.#rules = this.#addressRules(config);
    this.#listening.config = { ...config, listener: { ...config.listener, maxConnections: limits.downstream } };
    this.#ticker.setInterval(tickIntervalMs(config));
    this.#router.reconfigure(config);
    this.#side.reconfigure(config, this.#sideFault);
    this.#reloads = { ...this.#reloads, applied: this.#reloads.applied + 1, lastError: null };
    for (const line of lines) logger.info(line);
    this.#views.reloaded('config_applied', lines);
  }

  #refused(lines: readonly string[]): void {
    this.#reloads = { ...this.#reloads, refused: this.#reloads.refused + 1, lastError: lines.slice(1).join('\n') };
    for (const line of lines) this.log.logger.error(line);
    this.#views.reloaded('config_refused', lines);
  }

  // --- stop

  /**
   * Stops gently: goes on accepting and serving, closes what is idle, and resolves when nothing is left or the grace is
   * over. Calling it again changes nothing, and resolves with the first call.
   */
  stop(): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve();
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  #stopping: Promise<void> | null = null;

  async #drain(): Promise<void> {
    this.#state = 'draining';
    this.#listening.phase = 'draining';
    const { graceMs, quietMs } = this.#config.shutdown;
    const begun = this.#clock.now();
    this.log.logger.info({ graceMs }, 'stopping: running exchanges finish first');
    await new Promise<void>((resolve) => {
      this.#ticker.add((now) => {
        if (now - begun >= graceMs - REFUSE_BEFORE_END_MS) this.#listening.phase = 'refusing';
        if (now - begun >= CLOSE_IDLE_AFTER_MS) this.#sessions.drain(now, CLOSE_IDLE_AFTER_MS);
        const quiet = now - Math.max(begun, this.#listening.lastRequestAt) >= quietMs;
        const empty = this.#sessions.count === 0 && this.#tunnels.count === 0;
        if ((quiet && empty) || now - begun >= graceMs) resolve();
      });
      this.#ticker.setInterval(100);
    });
    await this.close();
  }

  /** Stops at once: whatever still runs is cut. */
  async close(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#ticker.stop();
    this.#watcher.close();
    for (const listener of this.#listeners) listener.close();
    const cut = this.#sessions.busy + this.#tunnels.count;
    if (cut > 0) this.log.logger.warn({ cut }, 'the grace is over: exchanges and tunnels were cut');
    this.#sessions.destroy();
    this.#tunnels.closeAll();
    const sideClosed = this.#side.close();
    this.#router.close('now');
    this.#sources.close();
    await Promise.all([this.#doors.stop(), sideClosed]);
    this.#eventLoop.stop();
    this.#views.close();
    this.log.logger.info('stopped');
    this.log.close();
  }

  // --- Inspector

  destinations(): readonly DestinationStats[] {
    return [...this.eachDestination()];
  }

  *counts(): Iterable<DestinationCounts> {
    for (const destination of this.#router.destinations)
      yield countsOf(destination.summary(), destination.pool.allEndpoints);
  }

  *eachDestination(): Iterable<DestinationStats> {
    for (const destination of this.#router.destinations) yield destination.stats();
  }

  config(): Config {
    return this.#config;
  }

  loadedConfig(): LoadedConfig {
    return this.#watcher.current;
  }

  process(): ProcessStats {
    return {
      version: this.#options.version,
      uptimeMs: this.#clock.now() - this.#startedAt,
      state: this.#state === 'stopped' ? 'draining' : this.#state,
      downstreamConnections: this.#sessions.count,
      exchanges: this.#sessions.busy,
      tunnels: this.#tunnels.count,
      upstreamConnections: this.#capacity.used,
      limits: { maxConnections: this.#capacity.max, bufferBytes: this.#budget.max, fileDescriptors: this.#files },
      bufferedBytes: this.#budget.used,
      kubernetes: this.#sources.stats(),
      fleet: this.#side.fleet,
      spans: this.#side.spans,
      reloads: this.#reloads,
    };
  }
}
