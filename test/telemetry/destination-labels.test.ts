import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { DestinationConfig } from '../../src/config/types.ts';
import { configuredLabel, DestinationLabels, LABEL_IDLE_MS } from '../../src/telemetry/destination-labels.ts';
import { TestClock } from '../test-clock.ts';
import { testConfig } from './fake-inspector.ts';

function setup(maxDestinations: number) {
  const clock = new TestClock();
  const labels = new DestinationLabels({ clock, maxDestinations });
  /** What a scrape would show: requests by label. */
  const requests = () => {
    labels.collect();
    return Object.fromEntries([...labels.groups()].map(({ label, total }) => [label, total.requestDuration.total]));
  };
  const total = () => labels.totals().requestDuration.total;
  return { clock, labels, requests, total };
}

t.test('destinations have a label of their own by arrival, and those that come too late share other', (t) => {
  const { labels, requests } = setup(2);
  for (const name of ['a:80', 'b:80', 'c:80', 'd:80']) labels.open(name, null).requestEnded(0, 200, 1);
  t.same(requests(), { 'a:80': 1, 'b:80': 1, other: 2 });
  t.equal(labels.labelOf('b:80'), 'b:80');
  t.equal(labels.labelOf('d:80'), 'other');
  t.equal(labels.labelOf('never-seen:80'), 'other');
  t.end();
});

t.test('configured destinations always have their own label and take no slot', (t) => {
  const { labels, requests } = setup(1);
  labels.open('a:80', null).requestEnded(0, 200, 1);
  labels.open('api.openai.com:443', 'openai').requestEnded(0, 200, 1);
  labels.open('x.shop:80', '*.shop').requestEnded(0, 200, 1);
  labels.open('y.shop:80', '*.shop').requestEnded(0, 200, 1);
  labels.open('b:80', null).requestEnded(0, 200, 1);
  t.same(requests(), { 'a:80': 1, openai: 1, '*.shop': 2, other: 1 });
  t.end();
});

t.test('the label of a configured destination is its name, or its pattern as written', (t) => {
  const config: DestinationConfig = {
    name: null,
    match: { host: '*.shop', port: 8080 },
    localPort: null,
    basePath: '',
    endpoints: null,
    to: null,
    mode: null,
    fleet: { maxConnections: null },
    policy: testConfig().defaults,
  };
  t.equal(configuredLabel(config), '*.shop:8080');
  t.equal(configuredLabel({ ...config, match: { host: 'orders', port: null } }), 'orders');
  t.equal(configuredLabel({ ...config, name: 'shops' }), 'shops');
  t.end();
});

t.test('a slot is freed after 15 minutes without a sign of life and goes to a destination that is busy', (t) => {
  const { clock, labels, requests } = setup(1);
  const quiet = labels.open('quiet:80', null);
  const busy = labels.open('busy:80', null);
  quiet.requestEnded(0, 200, 1);
  busy.requestEnded(0, 200, 1);
  t.same(requests(), { 'quiet:80': 1, other: 1 });
  clock.advance(LABEL_IDLE_MS - 1);
  busy.requestEnded(0, 200, 1);
  t.same(requests(), { 'quiet:80': 1, other: 2 }, 'not a millisecond too early');
  clock.advance(1);
  busy.requestEnded(0, 200, 1);
  t.same(requests(), { other: 3, 'busy:80': 0 }, 'what was counted under other stays there');
  busy.requestEnded(0, 200, 1);
  t.same(requests(), { other: 3, 'busy:80': 1 });
  t.equal(labels.labelOf('quiet:80'), 'other');
  quiet.requestEnded(0, 200, 1);
  t.same(requests(), { other: 4, 'busy:80': 1 }, 'the one that lost its label counts on under other');
  t.end();
});

t.test('a new name gets a slot that is idle, also where nobody scrapes', (t) => {
  const { clock, labels } = setup(1);
  labels.close(labels.open('old:80', null));
  clock.advance(LABEL_IDLE_MS);
  labels.open('new:80', null);
  t.equal(labels.labelOf('new:80'), 'new:80');
  t.equal(labels.labelOf('old:80'), 'other');
  t.end();
});

t.test('a destination that comes back finds its label and its counts', (t) => {
  const { clock, labels, requests } = setup(1);
  const first = labels.open('a:80', null);
  first.requestEnded(0, 200, 1);
  labels.close(first);
  labels.close(first);
  clock.advance(LABEL_IDLE_MS / 2);
  labels.open('a:80', null).requestEnded(0, 200, 1);
  t.same(requests(), { 'a:80': 2 });
  t.end();
});

t.test('totals and other never go down, whatever comes and goes', (t) => {
  const { clock, labels, requests, total } = setup(3);
  const open = new Map<string, ReturnType<DestinationLabels['open']>>();
  let seed = 42;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  let counted = 0;
  let other = 0;
  for (let step = 0; step < 3000; step++) {
    const name = `h${random(8)}:80`;
    const observer = open.get(name);
    const action = random(6);
    if (!observer) open.set(name, labels.open(name, name === 'h0:80' ? 'zero' : null));
    else if (action === 0) {
      labels.close(observer);
      open.delete(name);
    } else {
      observer.requestEnded(0, 200, 1);
      counted++;
    }
    if (action === 5) clock.advance(random(LABEL_IDLE_MS));
    if (step % 7 !== 0) continue;
    const now = requests();
    if ((now.other ?? 0) < other) t.fail(`other went down at step ${step}`);
    other = now.other ?? 0;
    if (total() !== counted) t.fail(`total ${total()} of ${counted} at step ${step}`);
    if (Object.keys(now).length > 5) t.fail(`too many labels: ${Object.keys(now)}`);
  }
  requests();
  t.equal(total(), counted);
  t.ok(other > 0);
  t.end();
});

t.test('requests that end in the pauses of a collection are counted once, whatever becomes of their label', (t) => {
  const { clock, labels, total } = setup(1);
  const first = labels.open('first:80', null);
  first.requestEnded(0, 200, 1);
  const late = Array.from({ length: 500 }, (_, i) => labels.open(`late-${i}:80`, null));
  labels.collect();
  clock.advance(LABEL_IDLE_MS);
  late[0]?.requestEnded(0, 200, 1);
  let pauses = 0;
  for (const _ of labels.drain()) {
    pauses++;
    first.requestEnded(0, 200, 1);
    late[0]?.requestEnded(0, 200, 1);
  }
  t.equal(pauses, 2);
  t.equal(labels.labelOf('late-0:80'), 'late-0:80', 'the slot changed hands meanwhile');
  t.equal(total(), 6, 'nothing is lost');
  labels.collect();
  t.equal(total(), 6, 'nothing is counted twice');
  t.same(
    [...labels.groups()].map(({ label, total: { requestDuration } }) => [label, requestDuration.total]),
    [
      ['other', 3],
      ['late-0:80', 0],
    ],
    'what ended before belongs to the label of that time',
  );
  t.end();
});

t.test('a million host names leave memory flat', (t) => {
  const { clock, labels } = setup(50);
  const flood = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      const observer = labels.open(`host-${i}.example.com:443`, null);
      observer.requestEnded(0, 200, 1);
      observer.error('NO_ROUTE');
      labels.close(observer);
      if (i % 1000 === 0) clock.advance(1000);
    }
  };
  const groups = () => [...labels.groups()].length;
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  flood(0, 100_000);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  flood(100_000, 1_000_000);
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(groups() <= 51, `${groups()} labels`);
  t.ok(grown < 1_000_000, `heap grew by ${grown} bytes`);
  t.equal(labels.totals().requestDuration.total, 1_000_000);
  t.end();
});
