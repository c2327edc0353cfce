import t, { type Test } from 'tap';
import type { Fault } from './faulty-origin.ts';
import { type AppConnection, type Faulty, HOST, startFaulty } from './retry-fixture.ts';

/** Asks 200 times a second, whatever the answers are, and waits for the last of them. @returns how many failed */
async function steady(faulty: Faulty, seconds: number): Promise<number> {
  const free: AppConnection[] = [];
  let underWay = 0;
  let failed = 0;
  let number = 0;
  const ask = async (): Promise<void> => {
    underWay++;
    const app = free.pop() ?? (await faulty.connect());
    const { status } = await app.ask('GET', `/${number++}`);
    if (status !== 200) failed++;
    if (status !== 0) free.push(app);
    underWay--;
  };
  for (let each = 0; each < seconds * 200; each++) {
    void ask();
    const next = faulty.clock.now() + 5;
    await faulty.until(() => faulty.clock.now() >= next, 2.5);
  }
  await faulty.until(() => underWay === 0, 5);
  return failed;
}

async function outage(t: Test, fault: Fault, policy: Record<string, unknown>): Promise<void> {
  const faulty = await startFaulty(t, [[], [], []], { timeouts: { response: '1s' }, ...policy });
  t.equal(await steady(faulty, 1), 0, 'all is well');
  const healthy = faulty.seen();
  t.equal(healthy, 200, 'and nothing is sent twice');
  const idle = faulty.app.destinations().find(({ name }) => name === HOST)?.idle ?? 0;
  t.ok(idle < 10);
  for (const origin of faulty.origins) origin.faults = [{ share: 1, fault }];
  const seconds = 15;
  t.equal(await steady(faulty, seconds), seconds * 200, 'nothing goes');
  // A connection that was idle when it began may be a stale one, which is outside of the budget.
  const amplification = (faulty.seen() - idle) / (healthy + seconds * 200);
  t.ok(amplification <= 1.2, `requests at the origins ÷ requests of the app: ${amplification}`);
  t.ok(amplification > 1.1, 'retries were made');
  for (const origin of faulty.origins) origin.faults = [];
  faulty.clock.advance(120_000);
  t.equal(await steady(faulty, 1), 0, 'it is over at once when the outage is');
  const retries = await faulty.retries();
  t.ok(
    Object.entries(retries).some(([key, count]) => key.endsWith(' budget') && count > 1000),
    JSON.stringify(retries),
  );
}

const retry = { attempts: 10, statusCodes: [503], backoffBase: '100ms' };

for (const [what, fault] of [
  ['answers 503', { kind: 'status', status: 503 }],
  ['resets every connection', { kind: 'reset' }],
  ['reads and never answers', { kind: 'silence' }],
] as const) {
  t.test(`rule 32: a retry storm: an upstream that ${what} sees at most 1.2 times the requests of the app`, (t) =>
    outage(t, fault, { retry }),
  );
}

t.test('rule 32: a retry storm: so it is without a retry policy', (t) => outage(t, { kind: 'reset' }, {}));
