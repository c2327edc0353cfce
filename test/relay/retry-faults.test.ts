import t from 'tap';
import type { Faults } from './faulty-origin.ts';
import { type AppConnection, type Faulty, startFaulty } from './retry-fixture.ts';

/** Sends `count` requests over `width` connections of the app; `method` by number. @returns how many had each status */
async function load(
  faulty: Faulty,
  count: number,
  width: number,
  method: (number: number) => string = () => 'GET',
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  let next = 0;
  let working = width;
  const work = async (first: AppConnection): Promise<void> => {
    let app = first;
    while (next < count) {
      const number = next++;
      const { status } = await app.ask(method(number), `/${number}`);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === 0) app = await faulty.connect();
    }
    working--;
  };
  const apps = await Promise.all(Array.from({ length: width }, () => faulty.connect()));
  const all = Promise.all(apps.map(work));
  await faulty.until(() => working === 0);
  await all;
  return statuses;
}

t.test('5 % of failures at random, with the preset external-api: over 99.9 % of 5,000 GETs succeed', async (t) => {
  const share = 0.05 / 3;
  const faults: Faults = [
    { share, fault: { kind: 'reset' } },
    { share, fault: { kind: 'status', status: 503 } },
    { share, fault: { kind: 'silence' } },
  ];
  const faulty = await startFaulty(t, [faults, faults, faults], {
    preset: 'external-api',
    timeouts: { response: '2s' },
  });
  const statuses = await load(faulty, 5000, 40);
  t.ok((statuses[200] ?? 0) > 4995, JSON.stringify(statuses));
  t.ok(faulty.seen() > 5150, 'about 5 % had to be sent again');
  const retries = await faulty.retries();
  for (const reason of ['upstream_reset', 'status_503', 'response_timeout'])
    t.ok((retries[`${reason} success`] ?? 0) > 40, reason);
  t.ok(faulty.seen() <= 5000 * 1.2);
  t.equal(
    Object.values(statuses).reduce((sum, each) => sum + each, 0),
    5000,
  );
});

t.test('one of three endpoints resets every request: no GET fails, and no POST is sent twice', async (t) => {
  const faulty = await startFaulty(t, [[{ share: 1, fault: { kind: 'reset' } }], [], []]);
  const gets = await load(faulty, 400, 8);
  t.same(gets, { 200: 400 });
  t.ok(faulty.first.seen > 0, 'it was asked');
  const posts = await load(faulty, 400, 8, () => 'POST');
  t.equal(faulty.most('POST'), 1);
  t.equal((posts[200] ?? 0) + (posts[502] ?? 0), 400);
});

t.test('a tenth of the connections is reset while idle: no GET fails, and no POST is sent twice', async (t) => {
  const faults: Faults = [{ share: 0.1, fault: { kind: 'reset_idle' } }];
  const faulty = await startFaulty(t, [faults]);
  const mixed = await load(faulty, 2000, 8, (number) => (number % 2 === 0 ? 'GET' : 'POST'));
  t.ok((mixed[200] ?? 0) >= 1000, JSON.stringify(mixed));
  t.equal(faulty.most('POST'), 1);
  const gets = await load(await startFaulty(t, [faults]), 2000, 8);
  t.same(gets, { 200: 2000 });
});
