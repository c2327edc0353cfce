import { type DestinationObserver, DiscoveryObserver } from '../../src/observer.ts';
import { DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { EventLoopMonitor } from '../../src/telemetry/event-loop.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { TestClock } from '../test-clock.ts';
import { parseExposition } from './exposition-parser.ts';
import { FakeInspector } from './fake-inspector.ts';

export const OPENMETRICS_ACCEPT =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

/** Metrics over a fake sidecar; `scrape` reads them as strictly as a scraper might. */
export function metricsSetup(maxDestinations = 50) {
  const clock = new TestClock();
  const inspector = new FakeInspector();
  const labels = new DestinationLabels({ clock, maxDestinations });
  const eventLoop = new EventLoopMonitor();
  const discovery = new DiscoveryObserver();
  const metrics = new Metrics({ labels, inspector, eventLoop, clock, droppedLogLines: () => 5, discovery });
  const scrape = async (format: 'openmetrics' | 'prometheus' = 'prometheus') => {
    const { body } = await metrics.scrape(format === 'openmetrics' ? OPENMETRICS_ACCEPT : undefined);
    return parseExposition(body, format);
  };
  return { clock, inspector, labels, metrics, discovery, eventLoop, scrape };
}

/** Counts what a healthy destination of one protocol counts. */
export function countHealthy(observer: DestinationObserver): void {
  observer.connectionsCreated = 3;
  observer.reusedRequests = 97;
  observer.freshRequests = 3;
  for (let i = 0; i < 3; i++) observer.connectDuration.observe(0.7);
  for (let i = 0; i < 100; i++) {
    observer.acquireDuration.observe(0.01);
    observer.requestEnded(i % 10 === 0 ? 1 : 0, 200, 4);
  }
  observer.connectionClosed('idle_timeout');
  observer.connectionClosed('max_age');
}
