import t from 'tap';
import { rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { Caller, cutAt } from './client-exchange.ts';
import { type RequestCase, RequestLanes } from './request-lanes.ts';
import { gardenTrophies, http11probe, llhttp, withoutVectors } from './vector-files.ts';

/** Also splits at every offset the forms of a case that differ by their target or by a missing Host alone (a minute more). */
const ALL_SPLITS = process.env.CARPOOL_ALL_SPLITS === '1';

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN} [\\x21-\\x7e]+ HTTP/1\\.1\\r\\n)`, 'gm');
const ORIGIN_FORM = new RegExp(`^(${TOKEN} )(?=/[\\x21-\\x7e]* HTTP/1\\.[01]\\r\\n)`, 'gm');

/** Many cases have no Host, which alone would refuse them: here each request line is followed by one. */
const withHost = (bytes: string): string =>
  /^host:/im.test(bytes) ? bytes : bytes.replace(REQUEST_LINE, '$1Host: $$HOST\r\n');

function casesOf(name: string, bytes: string): RequestCase[] {
  const hosted = withHost(bytes);
  const absolute = hosted.replace(ORIGIN_FORM, '$1http://$$HOST');
  const others = ALL_SPLITS ? null : [];
  const cases: RequestCase[] = [{ name, bytes: hosted, way: 'local', splits: null }];
  if (hosted !== bytes) cases.push({ name, bytes, way: 'local', splits: others });
  if (absolute !== hosted) cases.push({ name, bytes: absolute, way: 'proxy', splits: others });
  return cases;
}

/** What a strict reader takes and carpool refuses all the same, with the reason. */
const REFUSED_BY_RULE: Readonly<Record<string, string>> = {
  'llhttp: M-SEARCH request': 'the target * with another method than OPTIONS',
  'llhttp: `host:port` and basic auth': 'user information in the target',
  'garden: URIs are not validated whatsoever.': 'a target that is neither a path nor a URL',
  'COMP-ASTERISK-WITH-GET': 'the target * with another method than OPTIONS',
  'COMP-EXPECT-UNKNOWN': 'an expectation that cannot be met (417)',
};

/** Expectations of Http11Probe (of the answer, not of the framing) that say nothing about a proxy: an origin's content decides. */
const OF_ORIGINS: Readonly<Record<string, readonly string[]>> = {
  'conditional requests are answered by whoever has the content': [
    'CAP-ETAG-304',
    'CAP-LAST-MODIFIED-304',
    'CAP-ETAG-IN-304',
    'CAP-INM-PRECEDENCE',
    'CAP-INM-WILDCARD',
    'CAP-IMS-FUTURE',
    'CAP-IMS-INVALID',
    'CAP-INM-UNQUOTED',
    'CAP-ETAG-WEAK',
  ],
  'methods are allowed or not by the origin': [
    'COMP-UNKNOWN-METHOD',
    'COMP-405-ALLOW',
    'COMP-OPTIONS-ALLOW',
    'COMP-METHOD-CASE',
  ],
  'TRACE without Max-Forwards goes on to the origin': [
    'COMP-METHOD-TRACE',
    'COMP-TRACE-WITH-BODY',
    'COMP-TRACE-SENSITIVE',
  ],
  'a proxy passes on the fields of the answer as they are': [
    'COMP-DATE-HEADER',
    'COMP-DATE-FORMAT',
    'COMP-CONTENT-TYPE',
    'COMP-NO-CL-IN-204',
  ],
  'ranges, media types and negotiation are the origin’s': [
    'COMP-RANGE-POST',
    'COMP-RANGE-INVALID',
    'COMP-DUPLICATE-CT',
    'COMP-ACCEPT-NONSENSE',
    'COMP-POST-UNSUPPORTED-CT',
  ],
  'the WebSocket handshake is the origin’s': ['COMP-UPGRADE-INVALID-VER'],
  'cookies are read by the origin': [
    'COOK-EMPTY',
    'COOK-MALFORMED',
    'COOK-MULTI-HEADER',
    'COOK-PARSED-BASIC',
    'COOK-PARSED-MULTI',
    'COOK-PARSED-EMPTY-VAL',
    'COOK-PARSED-SPECIAL',
  ],
};

// Very many connections: on a busy machine they take their time.
t.setTimeout(240_000);

t.test(
  'requests of the public suites, whole and split at every byte',
  { skip: withoutVectors, timeout: 200_000 },
  async (t) => {
    t.setTimeout(200_000);
    const probes = http11probe();
    const inputs = [
      ...llhttp().filter(({ type }) => type.startsWith('request')),
      ...gardenTrophies(),
      ...probes.map(({ id, bytes }) => ({ name: id, bytes })),
      // Tunnels, and what is a whole conversation of HTTP/2, are judged elsewhere.
    ].filter(({ bytes }) => !bytes.startsWith('CONNECT ') && !bytes.startsWith('PRI * HTTP/2.0\r\n'));
    const lanes = await RequestLanes.start(t);
    await lanes.run(inputs.flatMap(({ name, bytes }) => casesOf(name, bytes)));

    t.test(
      'each is refused, or comes to the origin as a strict reader finds it, and each answer to its question',
      async (t) => {
        t.same(lanes.failures, []);
        t.ok(lanes.sent > inputs.length * 50, `${lanes.sent} runs of ${inputs.length} inputs`);
      },
    );
    t.test('what a strict reader takes is forwarded, but for what a rule names', async (t) => {
      const refused = lanes.outcomes.filter(({ wellFormed, forwarded }) => wellFormed && !forwarded);
      t.same([...new Set(refused.map((outcome) => outcome.case.name))].sort(), Object.keys(REFUSED_BY_RULE).sort());
      const whole = lanes.outcomes.filter(
        ({ wellFormed, forwarded, messages }) => wellFormed && forwarded && messages > 0,
      );
      t.ok(whole.length > 250, `${whole.length} inputs in one form or another were forwarded to their end`);
    });
    t.test('what a strict reader calls malformed is answered with an error', async (t) => {
      const silent = lanes.outcomes.filter(({ malformed, refusal }) => malformed && refusal === null);
      t.same(
        silent.map((outcome) => [outcome.case.name, outcome.case.bytes]),
        [],
      );
    });
    t.test('what Http11Probe wants refused is refused', async (t) => {
      for (const { id } of probes.filter(({ expect }) => expect === 'StatusCodeRange.Exact(400)')) {
        for (const { refusal } of lanes.outcomes.filter((outcome) => outcome.case.name === id)) {
          t.ok(refusal === 400 || refusal === 414 || refusal === 431 || refusal === 501, `${id}: ${refusal}`);
        }
      }
    });
    t.test('the expectations of Http11Probe that are left out exist, and concern origins', async (t) => {
      const ids = probes.map(({ id }) => id);
      for (const [reason, list] of Object.entries(OF_ORIGINS)) {
        for (const id of list) t.ok(ids.includes(id), `${id}: ${reason}`);
      }
    });
    t.test('client, carpool and origin counted the same', async (t) => lanes.reconcile(t));
  },
);

t.test(
  'CONNECT of llhttp: what follows its head is the tunnel’s, at every split',
  { skip: withoutVectors },
  async (t) => {
    const origin = await rawOrigin(t, ({ socket }) => socket.on('end', () => socket.end()));
    const { port } = await startSidecar(t);
    const inputs = llhttp().filter(({ bytes, type }) => bytes.startsWith('CONNECT ') && type.startsWith('request'));
    t.ok(inputs.length >= 3);
    let index = 0;
    for (const { name, bytes } of inputs) {
      const sent = bytes.replace(/^CONNECT \S+/, `CONNECT 127.0.0.1:${origin.port}`);
      const rest = sent.slice(sent.indexOf('\r\n\r\n') + 4);
      const wrong: number[] = [];
      for (let offset = 0; offset < sent.length; offset++) {
        const caller = new Caller(port);
        await caller.connected();
        await caller.send(cutAt(sent, offset));
        await caller.until(({ received, closed }) => received.includes('\r\n\r\n') || closed);
        await caller.finish();
        const tunnel = await origin.connection(index++);
        await tunnel.until(({ closed }) => closed);
        if (tunnel.received !== rest || !caller.received.startsWith('HTTP/1.1 200 ')) wrong.push(offset);
      }
      t.same(wrong, [], name);
    }
  },
);
