import type { Test } from 'tap';
import { OperatorPort, type OperatorPortOptions } from '../../src/admin/operator-port.ts';
import { DiscoveryObserver } from '../../src/observer.ts';
import { DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { EventLoopMonitor } from '../../src/telemetry/event-loop.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { FakeInspector } from '../telemetry/fake-inspector.ts';
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
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  const operator = new OperatorPort({
    inspector,
    metrics,
    eventLoop,
    clock,
    host: '127.0.0.1',
    port: 0,
    onFault,
    ...changes,
  });
  t.teardown(async () => {
    await operator.stop();
    eventLoop.stop();
  });
  return { clock, inspector, labels, operator, faults };
}
