import fc from 'fast-check';
import t from 'tap';
import { chunked, mutated, response } from '../protocol/arbitrary-messages.ts';
import { RequestLanes } from './request-lanes.ts';
import { type ResponseCase, ResponseLanes } from './response-lanes.ts';

/** How many times as many cases; with it the cases are others on each run. */
const TIMES = Number(process.env.CARPOOL_FUZZ ?? 0);
const sampling = (runs: number): { numRuns: number; seed?: number } =>
  TIMES > 0 ? { numRuns: runs * TIMES } : { numRuns: runs, seed: 20_260_101 };

const fields = fc
  .subarray([
    'X: y',
    'Connection: X-Hop',
    'X-Hop: z',
    'TE: trailers',
    'Expect: 100-continue',
    'Cookie: a=b',
    'Upgrade: h2c',
    'Keep-Alive: 5',
    'X-Empty:',
  ])
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));
const content = fc.oneof(
  fc.constantFrom('', 'hello', 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n', '0\r\n\r\n', '\r\n\r\n'),
  fc.string({ maxLength: 40, unit: 'binary-ascii' }),
);
const body = fc.oneof(
  fc.constant('\r\n'),
  content.map((text) => `Content-Length: ${text.length}\r\n\r\n${text}`),
  chunked.map((text) => `Transfer-Encoding: chunked\r\n\r\n${text}`),
);
const line = (scheme: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'ODD'),
      fc.constantFrom('/', '/a?b', '//c'),
      fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    )
    .map(([method, path, version]) => `${method} ${scheme}${path} HTTP/${version}\r\nHost: $HOST\r\n`);
const requests = (scheme: string): fc.Arbitrary<string> =>
  fc
    .array(
      fc.tuple(fc.constantFrom('', '', '\r\n'), line(scheme), fields, body).map((parts) => parts.join('')),
      { minLength: 1, maxLength: 4 },
    )
    .map((messages) => messages.join(''));

const places = (bytes: string, share: number): number[] => [
  ...new Set([1, 2, 3].map((part) => Math.floor((bytes.length * part * share) / 3))),
];

/** A mutation may name another host or a CONNECT; such a case would leave the test, and is left out. */
const staysHere = (bytes: string): boolean =>
  !/CONNECT /.test(bytes) && [...bytes.matchAll(/https?:\/\/([^/?\s]*)/gi)].every(([, host]) => host === '$HOST');

// Very many connections: on a busy machine they take their time.
t.setTimeout(1_800_000);

t.test('generated requests and mutations of them, pipelined and split, are judged like the public ones', async (t) => {
  t.setTimeout(1_800_000);
  const lanes = await RequestLanes.start(t);
  const share = fc.double({ min: 0.02, max: 1, noNaN: true });
  for (const way of ['local', 'proxy'] as const) {
    const inputs = fc.oneof(
      requests(way === 'local' ? '' : 'http://$HOST'),
      mutated(requests(way === 'local' ? '' : 'http://$HOST')),
    );
    const cases = fc
      .sample(fc.tuple(inputs, share), sampling(400))
      .filter(([bytes]) => staysHere(bytes))
      .map(([bytes, part], index) => ({ name: `generated ${index}`, bytes, way, splits: places(bytes, part) }));
    await lanes.run(cases);
  }
  t.same(lanes.failures, []);
  const forwarded = lanes.outcomes.filter((outcome) => outcome.forwarded && outcome.messages > 0).length;
  const refused = lanes.outcomes.filter(({ refusal }) => refusal !== null).length;
  t.ok(
    forwarded > 200 && refused > 100,
    `${forwarded} forwarded to the end, ${refused} refused, of ${lanes.outcomes.length}`,
  );
  const lost = lanes.outcomes.filter((outcome) => outcome.wellFormed && !outcome.forwarded && outcome.refusal === null);
  t.same(
    lost.map((outcome) => outcome.case.bytes),
    [],
    'nothing well formed is dropped without a word',
  );
  await lanes.reconcile(t);
});

t.test('generated responses and mutations of them are judged like the public ones', async (t) => {
  t.setTimeout(1_800_000);
  const lanes = await ResponseLanes.start(t);
  const whole = fc.oneof(
    fc.tuple(response, content).map((parts) => parts.join('')),
    fc.tuple(fields, body).map(([lines, rest]) => `HTTP/1.1 200 OK\r\n${lines}${rest}`),
    fc.tuple(fields, body).map(([lines, rest]) => `HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n${lines}${rest}`),
  );
  const inputs = fc.oneof(
    whole,
    mutated(whole),
    fc.tuple(whole, whole).map((parts) => parts.join('')),
  );
  const cases = fc
    .sample(
      fc.tuple(
        inputs,
        fc.double({ min: 0.02, max: 1, noNaN: true }),
        fc.constantFrom<ResponseCase['ask'][]>('GET', 'GET', 'HEAD', 'GET 1.0'),
      ),
      sampling(400),
    )
    .filter(([bytes]) => bytes !== '')
    .map(([bytes, part, ask], index) => ({ name: `generated ${index}`, bytes, ask, splits: places(bytes, part) }));
  await lanes.run(cases);
  t.same(lanes.failures, []);
  const count = (wanted: string): number => lanes.outcomes.filter(({ got }) => got === wanted).length;
  t.ok(
    count('same') > 100 && count('502') > 50,
    `${count('same')} relayed, ${count('502')} refused, ${count('cut')} cut`,
  );
  lanes.reconcile(t);
});
