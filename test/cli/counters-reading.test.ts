import t, { type Test } from 'tap';
import { between, meanMs, quantileMs, readCounters } from '../../src/cli/counters-reading.ts';
import { samplesOf } from '../../src/cli/exposition-reader.ts';
import type { DestinationObserver } from '../../src/observer.ts';
import { metricsSetup } from '../telemetry/metrics-fixture.ts';

/** What is read of a real scrape, after something was counted. */
function reader(t: Test, name = 'a:80') {
  const { labels, metrics, eventLoop } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const observer = labels.open(name, null);
  labels.open('b:80', null).requestEnded(0, 200, 5);
  return async (count?: (observer: DestinationObserver) => void) => {
    count?.(observer);
    return readCounters(samplesOf((await metrics.scrape(undefined)).body, name));
  };
}

t.test('everything that advice goes by is read from a scrape, of one destination alone', async (t) => {
  const read = reader(t);
  const counters = await read((observer) => {
    observer.requestEnded(0, 200, 3);
    observer.requestEnded(1, 503, 40, 1);
    observer.requestEnded(2, 200, 40);
    observer.error('CONNECT_FAILED');
    observer.retried('upstream_closed', 'success');
    observer.reusedRequests = 9;
    observer.freshRequests = 1;
    observer.connectionsCreated = 2;
    observer.connectionClosed('goaway');
    observer.connectFailed('ECONNREFUSED');
    observer.connectTimeouts = 3;
    observer.rateLimitRefused = 4;
    observer.rateLimitQueued = 5;
    observer.wouldReuse = 6;
    observer.connectDuration.observe(20);
    observer.acquireDuration.observe(30);
  });
  t.same(
    [...counters.codes],
    [
      ['2xx', 1],
      ['5xx', 1],
    ],
    'tunnels are none',
  );
  t.equal(counters.writes, 1);
  t.same([...counters.errors], [['CONNECT_FAILED', 1]]);
  t.same([...counters.retries], [['upstream_closed success', 1]]);
  t.same([...counters.closed], [['goaway', 1]]);
  t.same([...counters.connectErrors], [['ECONNREFUSED', 1]]);
  t.match(counters, {
    reused: 9,
    fresh: 1,
    created: 2,
    connectTimeouts: 3,
    rateRefused: 4,
    rateQueued: 5,
    wouldReuse: 6,
    connect: { count: 1, sumSeconds: 0.02 },
    acquire: { count: 1, sumSeconds: 0.03 },
    duration: { count: 3 },
  });
});

t.test('between two scrapes counts what came between them', async (t) => {
  const read = reader(t);
  const count = (observer: DestinationObserver) => {
    observer.requestEnded(0, 200, 3);
    observer.error('CONNECT_FAILED');
    observer.reusedRequests++;
  };
  const first = await read(count);
  const second = await read((observer) => {
    count(observer);
    observer.requestEnded(0, 404, 700);
  });
  const counters = between(first, second);
  t.same(
    [...counters.codes],
    [
      ['2xx', 1],
      ['4xx', 1],
    ],
  );
  t.same([...counters.errors], [['CONNECT_FAILED', 1]]);
  t.equal(counters.reused, 1);
  t.equal(counters.duration.count, 2);
  t.equal(Math.round(meanMs(counters.duration)), 352);
  t.same(between(second, first).codes, first.codes, 'a count that has fallen began anew');
});

t.test('the acquire histogram, which appears late, does not count what came before the first look', async (t) => {
  const read = reader(t);
  const first = await read((observer) => {
    observer.reusedRequests = 98;
    observer.freshRequests = 2;
    for (let i = 0; i < 100; i++) observer.acquireDuration.observe(0);
  });
  t.equal(first.acquire.count, 0, 'nothing has waited');
  const second = await read((observer) => {
    observer.reusedRequests = 4;
    for (let i = 0; i < 4; i++) observer.acquireDuration.observe(60);
  });
  const { acquire } = between(first, second);
  t.equal(acquire.count, 4);
  t.equal(meanMs(acquire), 60);
  t.ok(quantileMs(acquire, 0.5) > 25);
});

t.test('a quantile lies in its bucket in proportion', (t) => {
  const histogram = {
    bounds: [0.1, 0.5, Number.POSITIVE_INFINITY],
    cumulative: [50, 90, 100],
    sumSeconds: 0,
    count: 100,
  };
  t.equal(quantileMs(histogram, 0.25), 50);
  t.equal(Math.round(quantileMs(histogram, 0.7)), 300);
  t.equal(quantileMs(histogram, 0.99), 500, 'beyond the last bound nothing is known but that');
  t.equal(quantileMs({ bounds: [], cumulative: [], sumSeconds: 0, count: 0 }, 0.5), 0);
  t.end();
});

t.test('names with quotes and line ends are read as they were', async (t) => {
  const name = 'we"ird\\na\nme:80';
  const counters = await reader(t, name)((observer) => observer.requestEnded(0, 200, 1));
  t.same([...counters.codes], [['2xx', 1]]);
});

t.test('lines that cannot be read are passed over', (t) => {
  const text = 'garbage{\nx{destination="a:80"} ten\nx{destination="a:80",le="+Inf"} 3\n# x\ny 4\n';
  t.same(
    [...samplesOf(text, 'a:80')].map(([name, samples]) => [name, samples.map(({ value }) => value)]),
    [['x', [3]]],
  );
  t.end();
});
