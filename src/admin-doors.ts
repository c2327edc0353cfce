import type { ControlSocket } from './admin/control-socket.ts';
import type { Controller, Inspector } from './admin/inspector.ts';
import type { OperatorPort } from './admin/operator-port.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/types.ts';
import type { OwnListener } from './discovery/address-rules.ts';
import type { CarpoolError } from './errors.ts';
import type { DiscoveryObserver } from './observer.ts';
import type { StatusModel } from './status/status-model.ts';
import type { DestinationLabels } from './telemetry/destination-labels.ts';
import type { EventLoopMonitor } from './telemetry/event-loop.ts';
import type { SidecarLog } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';

export type AdminContext = {
  readonly inspector: Inspector;
  readonly controller: Controller;
  readonly status: StatusModel;
  readonly labels: DestinationLabels;
  readonly discovery: DiscoveryObserver;
  readonly eventLoop: EventLoopMonitor;
  readonly clock: Clock;
  readonly log: SidecarLog;
  /** What the app's HTTP_PROXY has to be. */
  readonly proxyUrl: () => string;
  /** Counts a request that wanted a proxy. */
  readonly misused: (error: CarpoolError) => void;
};

/** The two doors for operators: the port that shows, and the socket that changes things. Their code is loaded by `start`. */
export class AdminDoors {
  readonly #context: AdminContext;
  #operator: OperatorPort | null = null;
  #control: ControlSocket | null = null;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /**
   * Opens what is configured. Rejects with CONFIG_INVALID where a port is not to be had.
   * @returns where the operator port listens, or null: it is off
   */
  async start({ operator, control }: Config): Promise<OwnListener | null> {
    const { inspector, controller, status, labels, discovery, eventLoop, clock, log, proxyUrl, misused } =
      this.#context;
    const [{ OperatorPort }, { ControlSocket }] = await Promise.all([
      import('./admin/operator-port.ts'),
      import('./admin/control-socket.ts'),
    ]);
    const onFault = (error: unknown, path: string): void =>
      log.logger.error({ err: error, path }, 'a fault while answering an operator');
    this.#control = new ControlSocket({ ...control, controller, inspector, status, clock, onFault });
    const started = await this.#control.start();
    for (const warning of started.warnings) log.logger.warn(warning);
    if (!operator.enabled) return null;
    const droppedLogLines = () => log.writer.dropped;
    const metrics = new Metrics({ labels, inspector, eventLoop, clock, droppedLogLines, discovery });
    const elsewhere = { proxyUrl, misused };
    this.#operator = new OperatorPort({
      ...operator,
      inspector,
      status,
      metrics,
      eventLoop,
      clock,
      elsewhere,
      onFault,
    });
    return this.#operator.start();
  }

  /** Ends within a second or so. */
  async stop(): Promise<void> {
    await Promise.all([this.#operator?.stop(), this.#control?.stop()]);
  }
}
