import t from 'tap';
import type { ErrorSeen } from '../../src/status/error-book.ts';
import { findingsOf } from '../../src/status/findings/findings.ts';
import type { DestinationSight, Sight } from '../../src/status/findings/sight.ts';
import type { DestinationRow, Finding } from '../../src/status/types.ts';
import { destinationSight, error as errorSeen, sight } from './made-sight.ts';

const LABEL = '*.shop:8080';

const error = (changes: Partial<ErrorSeen>): ErrorSeen =>
  errorSeen({ code: 'CONNECT_FAILED', destination: LABEL, ...changes });

/** One of several destinations that have a label together. */
const sharing = (name: string, ended: number, failedShare: number, row: Partial<DestinationRow> = {}) =>
  destinationSight({ name, label: LABEL, failedShare, ...row }, { ended });

const told = (seen: Sight, code: string): Finding[] => findingsOf(seen).filter((finding) => finding.code === code);

const failing = (code: string, lastMinute: number, destinations: readonly DestinationSight[]): Sight =>
  sight({ errors: [error({ code, lastMinute, lastTenMinutes: lastMinute })], destinations });

t.test(
  'errors of a label that several destinations share are told where requests failed, and nowhere else',
  async (t) => {
    const destinations = [sharing('well.shop:8080', 600, 0), sharing('ill.shop:8080', 100, 0.6)];
    for (const code of ['CONNECT_FAILED', 'CONNECT_TIMEOUT', 'TLS_FAILED', 'NO_ENDPOINTS', 'ACQUIRE_TIMEOUT']) {
      const found = findingsOf(failing(code, 60, destinations));
      t.same(
        found.map(({ destination }) => destination),
        ['ill.shop:8080'],
        code,
      );
      t.match(found[0]?.title, '60 requests', code);
    }
  },
);

t.test('errors of a shared label are divided as failed requests are', async (t) => {
  const destinations = [sharing('a.shop:8080', 100, 0.9), sharing('b.shop:8080', 300, 0.1)];
  const titles = told(failing('CONNECT_FAILED', 120, destinations), 'connects_failing').map(({ title }) => title);
  t.match(titles, [/^90 requests got no connection to a\./, /^30 requests got no connection to b\./]);
});

t.test('a label of one destination is its own, however little of it has been counted yet', async (t) => {
  const finding = told(failing('CONNECT_FAILED', 5, [sharing('young.shop:8080', 0, 0)]), 'connects_failing')[0];
  t.match(finding?.title, /^5 requests/);
});

t.test('an upstream that answers 500 is told, though no 503 strains the pool', async (t) => {
  const well = destinationSight({ failedShare: 0.05 }, { ended: 600 });
  t.same(told(sight({ destinations: [well] }), 'errors_high'), []);
  const few = destinationSight({ failedShare: 1 }, { ended: 19 });
  t.same(told(sight({ destinations: [few] }), 'errors_high'), [], 'a handful of requests is no share');
  const ill = destinationSight({ failedShare: 0.5 }, { ended: 20 });
  const [finding] = told(sight({ destinations: [ill] }), 'errors_high');
  t.match(finding?.title, '50 % of the requests');
  t.match(finding?.detail, 'The upstream itself answers 5xx');
});

t.test('failures that another finding speaks of are not put down to the upstream', async (t) => {
  const row = { failedShare: 1, signals: ['errors'], paused: true };
  const destinations = [destinationSight(row, { ended: 60 })];
  const paused = error({ code: 'PAUSED', destination: 'orders.shop:8080', status: 503, lastMinute: 60 });
  t.same(
    findingsOf(sight({ destinations, errors: [paused] })).map(({ code }) => code),
    ['paused'],
  );
});

t.test(
  'one time-out of the pool does not hide an upstream that fails, nor does one error of another kind',
  async (t) => {
    const destinations = [destinationSight({ failedShare: 0.5 }, { ended: 600 })];
    for (const code of ['ACQUIRE_TIMEOUT', 'UPSTREAM_RESET']) {
      const errors = [error({ code, destination: 'orders.shop:8080' })];
      t.match(told(sight({ destinations, errors }), 'errors_high')[0]?.detail, 'The upstream itself answers 5xx', code);
    }
    const refused = [error({ code: 'RATE_LIMITED', destination: 'orders.shop:8080', status: 429, lastMinute: 500 })];
    t.match(
      told(sight({ destinations, errors: refused }), 'errors_high')[0]?.detail,
      'The upstream itself answers 5xx',
      'a 429 is no failure of a request',
    );
  },
);
