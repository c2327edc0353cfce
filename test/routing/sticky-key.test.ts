import { hostname, networkInterfaces } from 'node:os';
import t from 'tap';
import { hashText } from '../../src/pool/hash.ts';
import { Head } from '../../src/protocol/head.ts';
import { HeadScanner } from '../../src/protocol/http1/head-scanner.ts';
import { ownAddress, StickyKeyReader } from '../../src/routing/sticky-key.ts';

const POD = '10.1.2.3';
const scanner = new HeadScanner(new Head(200), { maxHeadBytes: 65_536, maxFields: 200, maxTargetBytes: 16_384 });

/** The head of a request with these lines, not at the beginning of its buffer. */
function headWith(...lines: readonly string[]): Head {
  const text = `GET http://orders/x HTTP/1.1\r\nHost: orders\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  const bytes = Buffer.from(`....${text}`, 'latin1');
  scanner.scanRequest(bytes, 4, bytes.length);
  return scanner.head;
}

const byHeader = new StickyKeyReader({ by: 'header', name: 'x-tenant' }, POD);
const byCookie = new StickyKeyReader({ by: 'cookie', name: 'session' }, POD);
const byAddress = new StickyKeyReader({ by: 'address', name: null }, POD);

t.test('a header is found by its name in any case, whatever stands beside it', async (t) => {
  for (const line of ['X-Tenant: acme', 'x-tenant:acme', 'X-TENANT: \t acme \t', 'x-TeNaNt: acme'])
    t.equal(byHeader.keyOf(headWith('Accept: */*', line, 'X-Other: z')), hashText('acme'), line);
  const mixed = new StickyKeyReader({ by: 'header', name: 'X-Tenant' }, POD);
  t.equal(mixed.keyOf(headWith('x-tenant: acme')), hashText('acme'), 'the setting may be written in any case too');
  t.not(byHeader.keyOf(headWith('X-Tenant: Acme')), hashText('acme'), 'a value is as it is written');
  t.equal(byHeader.keyOf(headWith('X-Tenant: a', 'X-Tenant: b')), hashText('a'), 'the first of several');
});

t.test('fields that carpool knows and acts on are headers like others', async (t) => {
  for (const [name, value] of [
    ['host', 'orders'],
    ['authorization', 'Bearer abc'],
    ['content-type', 'text/plain'],
  ] as const) {
    const reader = new StickyKeyReader({ by: 'header', name }, POD);
    t.equal(reader.keyOf(headWith('Authorization: Bearer abc', 'Content-Type: text/plain')), hashText(value), name);
  }
});

t.test('a request without its header, or with an empty one, goes by the address of the pod', async (t) => {
  const address = hashText(POD);
  t.equal(byHeader.keyOf(headWith('Accept: */*')), address);
  t.equal(byHeader.keyOf(headWith('X-Tenant:')), address);
  t.equal(byHeader.keyOf(headWith('X-Tenants: acme', 'X-Tenan: acme', 'Y-Tenant: acme')), address);
  t.equal(byAddress.keyOf(headWith('X-Tenant: acme')), address);
  t.equal(byHeader.addressKey, address);
});

t.test('a cookie is found among others, by its whole name', async (t) => {
  const abc = hashText('abc');
  for (const line of [
    'Cookie: session=abc',
    'Cookie: a=1; session=abc; b=2',
    'cookie: a=1;session=abc;b=2',
    'Cookie: a=1;  session=abc  ; b=2',
    'Cookie: xsession=no; sessio=no; session2=no; session=abc',
    'Cookie: session=; session=abc',
    'Cookie: Session=no; session=abc',
    'Cookie: a="x; session=abc',
    'Cookie: session="abc"',
    'Cookie: ; ;; session=abc',
    'Cookie: session; session=abc; session=later',
  ])
    t.equal(byCookie.keyOf(headWith(line)), abc, line);
  t.equal(byCookie.keyOf(headWith('Cookie: session=a=b')), hashText('a=b'));
  t.equal(byCookie.keyOf(headWith('Cookie: session="')), hashText('"'), 'one quote is a value');
});

t.test('a cookie is found in whichever of several Cookie fields it comes', async (t) => {
  t.equal(byCookie.keyOf(headWith('Cookie: a=1', 'Accept: */*', 'Cookie: session=abc')), hashText('abc'));
  t.equal(byCookie.keyOf(headWith('Cookie: session=abc', 'Cookie: session=later')), hashText('abc'));
  t.equal(byCookie.keyOf(headWith('Cookie: a=1', 'X-Last: session=no', 'Cookie: session=abc')), hashText('abc'));
});

t.test('a request without its cookie goes by the address of the pod', async (t) => {
  for (const lines of [
    [],
    ['Cookie: a=1'],
    ['Cookie: session'],
    ['Cookie: session='],
    ['Cookie: session=""'],
    ['Cookie: xsession=abc'],
    ['Cookie: session =abc'],
    ['Cookie:'],
    ['Set-Cookie: session=abc'],
    // What follows the field is no part of it: the name may not be read beyond its end.
    ['Cookie: sess', 'ion: abc'],
  ])
    t.equal(byCookie.keyOf(headWith(...lines)), hashText(POD), lines.join());
});

t.test('keys are whole numbers from 0 to 2³¹ − 1, and texts that are alike are far apart', async (t) => {
  const seen = new Set<number>();
  const parts = new Array<number>(16).fill(0);
  for (let index = 0; index < 4096; index++) {
    const key = byHeader.keyOf(headWith(`X-Tenant: customer-${index}`));
    if (!Number.isInteger(key) || key < 0 || key > 0x7fffffff) t.fail(`${key}`);
    seen.add(key);
    parts[key >>> 27] = (parts[key >>> 27] ?? 0) + 1;
  }
  t.equal(seen.size, 4096);
  for (const count of parts) t.ok(count > 180 && count < 340, `${count} in a sixteenth, 256 are even`);
  t.equal(hashText('acme'), 1009801697, 'and it is the same number in every sidecar of whatever version');
});

t.test('who has no address told is known by the first that others can reach, else by its name', async (t) => {
  t.equal(ownAddress('10.9.9.9'), '10.9.9.9');
  const outer = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal);
  t.equal(ownAddress(null), outer?.address ?? hostname());
});
