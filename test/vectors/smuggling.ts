import type { Test } from 'tap';
import { type RequestCase, RequestLanes } from './request-lanes.ts';
import { smuggler } from './vector-files.ts';

/** Splits every form at every offset (some minutes); without it one form is split around the mutated field. */
const ALL_SPLITS = process.env.CARPOOL_ALL_SPLITS === '1';

/** By Content-Length one message, by chunks an empty one and a request behind it. */
const ONE_OR_TWO = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
/** By chunks one message, by a Content-Length of 4 a request begins behind the first chunk line. */
const CHUNK_LINE = '36\r\n';
const TWO_OR_ONE = `${CHUNK_LINE}GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Rest: 0123456789\r\n\r\n\r\n0\r\n\r\n`;

function input(head: string, endpoint: string, length: number, body: string): string {
  const filled = head
    .replaceAll('__METHOD__', 'POST')
    .replaceAll('__ENDPOINT__', endpoint)
    .replaceAll('__RANDOM__', '1')
    .replaceAll('__HOST__', '$HOST')
    .replaceAll('__REPLACE_CL__', String(length));
  return `${filled}\r\n${body}`;
}

/** The offsets beside the bytes of the mutated field that are no letters: its ends, its colon and what was put in. */
function aroundMutation(bytes: string): number[] {
  const from = bytes.indexOf(' HTTP/1.1\r\n') + 9;
  const to = bytes.indexOf('Host: $HOST') + 2;
  const odd = (at: number): boolean => !/[A-Za-z]/.test(bytes.charAt(at));
  return Array.from({ length: to - from }, (_, index) => from + index).filter((at) => odd(at) || odd(at - 1));
}

/** Runs the mutations of one character in two places (`doubles`), or all the others. */
export async function runSmuggler(t: Test, doubles: boolean): Promise<void> {
  t.setTimeout(ALL_SPLITS ? 1_800_000 : 200_000);
  const cases: RequestCase[] = [];
  for (const { name, head } of smuggler().filter((each) => each.name.startsWith('smuggler/doubles') === doubles)) {
    const local = input(head, '/', ONE_OR_TWO.length, ONE_OR_TWO);
    const proxied = input(head, 'http://$HOST/', ONE_OR_TWO.length, ONE_OR_TWO);
    const behind = input(head, '/', CHUNK_LINE.length, TWO_OR_ONE);
    cases.push({ name, bytes: local, way: 'local', splits: ALL_SPLITS ? null : aroundMutation(local) });
    cases.push({ name, bytes: proxied, way: 'proxy', splits: ALL_SPLITS ? null : [] });
    cases.push({ name: `${name} (TE.CL)`, bytes: behind, way: 'local', splits: ALL_SPLITS ? null : [] });
  }
  const lanes = await RequestLanes.start(t);
  await lanes.run(cases);

  t.test('each is refused, or comes to the origin as a strict reader finds it', async (t) => {
    t.same(lanes.failures, []);
    t.ok(lanes.sent > cases.length * 3, `${lanes.sent} runs of ${cases.length} inputs`);
  });
  t.test(
    'those where the field is another one by its letters are forwarded by their Content-Length, all others refused',
    async (t) => {
      const odd = lanes.outcomes.filter(({ wellFormed, forwarded }) => wellFormed && !forwarded);
      t.same(
        odd.map((outcome) => outcome.case.name),
        [],
      );
      const silent = lanes.outcomes.filter(({ malformed, refusal }) => malformed && refusal === null);
      t.same(
        silent.map((outcome) => outcome.case.name),
        [],
      );
      const refused = lanes.outcomes.filter(({ refusal }) => refusal !== null);
      t.ok(refused.length > cases.length * 0.9, `${refused.length} of ${cases.length} were refused`);
    },
  );
  t.test('client, carpool and origin counted the same', async (t) => lanes.reconcile(t));
}
