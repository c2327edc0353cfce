import t, { type Test } from 'tap';
import { METHOD_OTHER } from '../../../src/protocol/head.ts';
import { BLOCK_MALFORMED } from '../../../src/protocol/http2/block-reader.ts';
import { LIMITS } from '../scanning.ts';
import { block, type Pair } from './other-hpack.ts';
import { donePairs, makeReader, readBlock, readPairs, readWith, request, ruleOfPairs } from './reading-blocks.ts';

const without = (name: string, ...more: readonly Pair[]): Pair[] => [
  ...request().filter(([other]) => other !== name),
  ...more,
];
const bad = (t: Test, pairs: readonly Pair[], rule: RegExp, endStream = true): void => {
  t.match(ruleOfPairs('request', pairs, endStream), rule, JSON.stringify(pairs));
};

t.test('a request becomes the text that HTTP/1.1 would have', async (t) => {
  const read = donePairs('request', request(['accept', '*/*'], ['x-empty', ''], ['x', 'a  b\t\xe9']));
  t.equal(
    read.text,
    'GET http://a.example:8080/p?q HTTP/1.1\r\nhost: a.example:8080\r\naccept: */*\r\nx-empty: \r\nx: a  b\t\xe9\r\n\r\n',
  );
  t.same(read.pseudo, request());
  t.same(read.passing, [
    ['accept', '*/*'],
    ['x-empty', ''],
    ['x', 'a  b\t\xe9'],
  ]);
  const star = donePairs('request', [...without(':path').slice(1), [':path', '*'], [':method', 'OPTIONS']]);
  t.match(star.text, /^OPTIONS http:\/\/a\.example:8080 HTTP/);
  t.equal(star.facts.path, '');
  t.ok(donePairs('request', without(':scheme', [':scheme', 'https'])).facts.secure);
  t.match(donePairs('request', without(':scheme', [':scheme', 'HTTPS'])).text, /^GET https:/);
});

t.test('a body that has no length is a chunked one, but for CONNECT', async (t) => {
  const chunked = donePairs('request', request(['x', 'y']), false);
  t.match(chunked.text, /\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n$/);
  t.ok(chunked.facts.chunked);
  t.same(chunked.passing, [['x', 'y']], 'in HTTP/2 nothing says so');
  t.notOk(donePairs('request', request(), true).facts.chunked);
  t.notOk(donePairs('request', request(['content-length', '5']), false).facts.chunked);
  const connect = donePairs('request', [[':method', 'CONNECT'], [':authority', 'a:443']], false); // biome-ignore format: short
  t.equal(connect.text, 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n');
  t.notOk(connect.facts.chunked);
});

t.test('rule 19: the right pseudo-header fields, once each, before all others', async (t) => {
  for (const name of [':method', ':scheme', ':path', ':authority']) bad(t, without(name), /must have :method/);
  for (const pair of request()) {
    bad(t, request(pair), /stand before the others|there once/);
    bad(t, [pair, ...request()], /there once/);
    bad(t, [...without(pair[0]), ['x', 'y'], pair], /before the others/);
  }
  bad(t, [...request(), [':status', '200']], /does not belong/);
  bad(t, [...request(), [':foo', '200']], /does not belong/);
  bad(t, [...request(), [':', '200']], /does not belong/);
  bad(t, [...request(), [':protocol', 'websocket']], /does not belong/);
  bad(t, [...request(), [':Path', '/']], /does not belong/);
  bad(t, [], /must have :method/);
  bad(t, [['host', 'a']], /must have :method/);
});

t.test('rule 19: what the pseudo-header fields of a request may say', async (t) => {
  for (const path of ['', 'p', '?q', '/a b', '/a#b', '/\xe9', '/\x7f', '*', '**', '*/', '/\t']) {
    bad(t, without(':path', [':path', path]), /the path must begin|may not hold control/);
  }
  for (const method of ['', 'G T', 'G\xe9', 'G/T', 'G:']) bad(t, without(':method', [':method', method]), /a token/);
  for (const scheme of ['', 'ftp', 'httpx', 'http ', 'h']) {
    bad(t, without(':scheme', [':scheme', scheme]), /http or https|white space/);
  }
  for (const authority of ['', 'u@a', 'u:p@a', 'a b', 'a:0', 'a:65536', 'a/b', '[::1', 'a:b']) {
    bad(t, without(':authority', [':authority', authority]), /^BAD_REQUEST: /);
  }
  t.equal(donePairs('request', without(':method', [':method', 'get'])).facts.methodId, METHOD_OTHER);
});

t.test('rule 19: host must agree with :authority, and stands in for it', async (t) => {
  const both = donePairs('request', request(['x', 'y'], ['host', 'A.Example:8080'], ['z', 'a']));
  t.match(both.text, /\r\nhost: a\.example:8080\r\nx: y\r\nz: a\r\n\r\n$/);
  t.same(both.passing, [['x', 'y'], ['z', 'a']]); // biome-ignore format: short
  const alone = donePairs('request', without(':authority', ['x', 'y'], ['host', 'b:1'], ['z', 'a']));
  t.equal(alone.text, 'GET http://b:1/p?q HTTP/1.1\r\nhost: b:1\r\nx: y\r\nz: a\r\n\r\n');
  t.same(alone.pseudo, [...without(':authority'), [':authority', 'b:1']]);
  t.same(alone.passing, [['x', 'y'], ['z', 'a']]); // biome-ignore format: short
  for (const host of [
    'b',
    'a.example',
    'a.example:8081',
    '',
    'a-example:8080',
    'a.example/8080',
    'a.example\x1a8080',
  ]) {
    bad(t, request(['host', host]), /equal to :authority|control bytes/);
  }
  bad(t, request(['host', 'a.example:8080'], ['host', 'a.example:8080']), /one Host/);
  bad(t, without(':authority', ['host', 'u@a']), /user information/);
  bad(t, without(':authority', ['host', '']), /host is empty/);
});

t.test('rule 19: no fields of the connection, te for trailers alone', async (t) => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']) {
    bad(t, request([name, 'chunked']), /do not exist in HTTP\/2/);
  }
  const te = donePairs('request', request(['te', 'trailers'], ['x', 'y']));
  t.ok(te.facts.trailersAccepted);
  t.same(te.passing, [['te', 'trailers'], ['x', 'y']]); // biome-ignore format: short
  for (const value of ['gzip', 'trailers, gzip', '', 'trailers;q=1']) bad(t, request(['te', value]), /TE may stand/);
  const dropped = donePairs(
    'request',
    request(['proxy-authorization', 'Basic x'], ['http2-settings', 'x'], ['x', 'y']),
  );
  t.same(dropped.passing, [['x', 'y']], 'what is between the app and its proxy goes no further');
});

t.test('rule 19: names in lower case, values without control bytes or white space around', async (t) => {
  for (const name of ['X', 'content-Type', 'x y', 'x:', '', 'x\0', 'x\xe9', 'x\r\nhost', ' x', 'x\t']) {
    bad(t, request([name, 'y']), /a token in lower case/);
  }
  const values = [
    'a\r\nb',
    'a\nb',
    'a\rb',
    '\0',
    'a\0',
    ' a',
    'a ',
    '\ta',
    'a\t',
    ' ',
    '\x01',
    'a\x7f',
    '\x1f',
    'a\x0bb',
  ];
  for (const coding of [{ huffman: true }, { huffman: false }]) {
    for (const value of values) {
      for (const incremental of [false, true]) {
        const read = readBlock('request', block(request(['x', value]), { incremental, ...coding }));
        t.match(read, { result: 'malformed', rule: /value may not hold/ }, JSON.stringify(value));
      }
    }
    for (let place = 0; place < 12; place++) {
      const text = 'abcdefghijk';
      for (const control of ['\0', '\n', '\x1f', '\x7f']) {
        const value = text.slice(0, place) + control + text.slice(place);
        const read = readBlock('request', block(request(['x', value]), { incremental: false, ...coding }));
        t.match(read, { result: 'malformed', rule: /value may not hold/ }, JSON.stringify(value));
      }
      const value = `${text.slice(0, place + 1)}\t\xff ${text.slice(place)}z`;
      const read = readBlock('request', block(request(['x', value]), { incremental: false, ...coding }));
      t.match(read, { result: 'done', passing: [['x', value]] });
    }
    const read = readBlock('request', block(request(['x', 'a\tb \x80\xff']), { incremental: false, ...coding }));
    t.match(read, { result: 'done', passing: [['x', 'a\tb \x80\xff']] });
  }
});

t.test('a bad field from the dynamic table is as bad as the first time, and its neighbours are good', async (t) => {
  const reader = makeReader();
  const fields = Buffer.concat([block(request()), Buffer.from('4001580179400178020061', 'hex')]);
  t.match(readWith(reader, 'request', fields), { result: 'malformed' });
  const head = block(request());
  t.match(readWith(reader, 'request', Buffer.concat([head, Buffer.from([0xbe])])), { rule: /value/ });
  t.match(readWith(reader, 'request', Buffer.concat([head, Buffer.from([0xbf])])), { rule: /name/ });
  const name = Buffer.concat([head, Buffer.from('0f2f0179', 'hex')]);
  t.match(readWith(reader, 'request', name), { passing: [['x', 'y']] }, 'the name of the one with the bad value');
  const badName = Buffer.concat([head, Buffer.from('0f300179', 'hex')]);
  t.match(readWith(reader, 'request', badName), { rule: /name/ }, 'the bad name with a good value');
});

t.test('rule 20: lengths', async (t) => {
  t.equal(donePairs('request', request(['content-length', '12']), false).facts.contentLength, 12);
  t.equal(donePairs('request', request(['content-length', '0'])).facts.contentLength, 0);
  bad(t, request(['content-length', '1']), /ends before the body/);
  for (const value of ['', '+1', '-1', '1, 1', '0x1', '1e3', '99999999999999999']) {
    bad(t, request(['content-length', value]), /Content-Length/, false);
  }
  bad(t, request(['content-length', '1'], ['content-length', '1']), /one Content-Length/, false);
});

t.test('rule 9: an expectation that nobody can meet', async (t) => {
  bad(t, request(['expect', 'tea']), /^EXPECTATION_FAILED/, false);
  t.ok(donePairs('request', request(['expect', '100-Continue']), false).facts.expectContinue);
});

t.test('several cookies stay apart, and are told of', async (t) => {
  const reader = makeReader();
  t.match(readWith(reader, 'request', block(request(['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2']))), {
    text: /cookie: a=1\r\nx: y\r\ncookie: b=2\r\n/,
  });
  t.ok(reader.head.cookieCrumbs);
  readWith(reader, 'request', block(request(['cookie', 'a=1'])));
  t.notOk(reader.head.cookieCrumbs);
});

t.test('CONNECT has an authority with a port alone; with :protocol it has all', async (t) => {
  const connect = (...pairs: readonly Pair[]): Pair[] => [[':method', 'CONNECT'], ...pairs];
  const { facts, pseudo } = donePairs('request', connect([':authority', '[::1]:443'], ['x', 'y']));
  t.match(facts, { line: 'CONNECT [::1]:443 HTTP/1.1', port: 443, path: '', secure: false });
  t.same(pseudo, connect([':authority', '[::1]:443']));
  bad(t, connect([':authority', 'a']), /host:port/);
  for (const pair of [[':scheme', 'http'], [':path', '/']] as const) bad(t, connect([':authority', 'a:1'], pair), /CONNECT has/); // biome-ignore format: short
  bad(t, connect(['host', 'a:1']), /CONNECT has/);
  const all: Pair[] = [[':scheme', 'https'], [':path', '/chat'], [':authority', 'a'], [':protocol', 'websocket']]; // biome-ignore format: short
  const socket = donePairs('request', connect(...all), false);
  t.equal(socket.protocol, 'websocket');
  t.equal(socket.text, 'CONNECT https://a/chat HTTP/1.1\r\nhost: a\r\n\r\n');
  t.same(socket.pseudo, connect(...all));
  for (const [name] of all.slice(0, 3)) bad(t, connect(...all.filter(([other]) => other !== name)), /CONNECT has/);
  bad(t, connect(...all.slice(0, 3), [':protocol', 'web socket']), /token/);
  bad(t, connect(...all.slice(0, 3), [':protocol', '']), /token/);
});

t.test('rule 8: heads over their limits are refused as such, however they are coded', async (t) => {
  const long = (bytes: number): Pair => ['x', 'v'.repeat(bytes)];
  for (const huffman of [true, false]) {
    const of = (...pairs: readonly Pair[]) =>
      readBlock('request', block(request(...pairs), { incremental: false, huffman }));
    const spare = LIMITS.maxHeadBytes - donePairs('request', request(['x', ''])).text.length;
    t.match(of(long(spare)), { result: 'done' });
    t.match(of(long(spare + 1)), { result: 'malformed', code: 'HEAD_TOO_LARGE' });
    t.match(of(long(200_000)), { result: 'malformed', code: 'HEAD_TOO_LARGE' });
    t.match(of(long(30_000), long(30_000), long(30_000), long(30_000)), { code: 'HEAD_TOO_LARGE' });
  }
  const fields = (count: number): Pair[] => Array.from({ length: count }, (_, index) => [`x${index}`, 'y']);
  t.equal(readPairs('request', request(...fields(LIMITS.maxFields - 1))).result, 'done', 'Host is one');
  bad(t, request(...fields(LIMITS.maxFields)), /^HEAD_TOO_LARGE/);
  bad(t, request(...fields(LIMITS.maxFields - 1)), /^HEAD_TOO_LARGE/, false);
  const path = (bytes: number): Pair[] => without(':path', [':path', `/${'p'.repeat(bytes - 1)}`]);
  const most = LIMITS.maxTargetBytes - 'http://a.example:8080'.length;
  t.equal(donePairs('request', path(most)).facts.path.length, most);
  bad(t, path(most + 1), /^URI_TOO_LONG/);
  bad(t, without(':method', [':method', 'M'.repeat(70_000)]), /^HEAD_TOO_LARGE/);
  bad(t, request(['host', 'h'.repeat(65_000)]), /equal to :authority|^HEAD_TOO_LARGE/);
});

t.test('whoever is refused is told by the first rule, and its method is known', async (t) => {
  const reader = makeReader();
  const bytes = block([...request(['connection', 'close'], ['X', 'y']).slice(1), [':method', 'HEAD']]);
  t.equal(reader.readRequest(bytes, 0, bytes.length, true), BLOCK_MALFORMED);
  t.match(reader.fault.rule, /do not exist in HTTP\/2/);
});
