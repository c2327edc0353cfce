import type { Test } from 'tap';
import { OperatorPort, type OperatorPortOptions } from '../../src/admin/operator-port.ts';
import type { CarpoolError } from '../../src/errors.ts';
import { DiscoveryObserver } from '../../src/observer.ts';
import { DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { EventLoopMonitor } from '../../src/telemetry/event-loop.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { FakeInspector } from '../telemetry/fake-inspector.ts';
import { fakeStatus } from '../telemetry/fake-status.ts';
import { TestClock } from '../test-clock.ts';

/** An operator port over a fake sidecar, on a port of its own. */
export function makeOperator(t: Test, changes: Partial<OperatorPortOptions> = {}) {
  const clock = new TestClock();
  const inspector = new FakeInspector();
  const labels = new DestinationLabels({ clock, maxDestinations: 50 });
  const eventLoop = new EventLoopMonitor();
  const metrics = new Metrics({
    labels,
    inspector,
    eventLoop,
    clock,
    droppedLogLines: () => 0,
    discovery: new DiscoveryObserver(),
  });
  const status = fakeStatus(clock, inspector);
  const faults: unknown[] = [];
  const misuses: CarpoolError[] = [];
  const onFault = (error: unknown) => faults.push(error);
  const operator = new OperatorPort({
    inspector,
    status: status.model,
    metrics,
    eventLoop,
    clock,
    elsewhere: { proxyUrl: () => 'http://127.0.0.1:14140', misused: (error) => misuses.push(error) },
    host: '127.0.0.1',
    port: 0,
    onFault,
    ...changes,
  });
  t.teardown(async () => {
    await operator.stop();
    eventLoop.stop();
  });
  return { clock, inspector, labels, status, operator, faults, misuses };
}
