import t from 'tap';
import { LIMITS } from '../scanning.ts';
import { block, type Pair } from './other-hpack.ts';
import { donePairs, makeReader, readBlock, readPairs, readWith, response, ruleOfPairs } from './reading-blocks.ts';

t.test('a response becomes the text that HTTP/1.1 would have', async (t) => {
  const read = donePairs('response', response(['content-type', 'text/plain'], ['content-length', '3']), false);
  t.equal(read.text, 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\n');
  t.same(read.pseudo, [[':status', '200']]);
  t.equal(read.facts.contentLength, 3);
  t.equal(donePairs('response', [[':status', '599']]).text, 'HTTP/1.1 599 \r\n\r\n');
  t.equal(donePairs('response', [[':status', '404']]).text, 'HTTP/1.1 404 Not Found\r\n\r\n');
  const unknown = donePairs('response', response(['x', 'y']), false);
  t.notOk(unknown.facts.chunked, 'how its body is framed is not said here');
  t.equal(donePairs('response', [[':status', '103'], ['link', 'x']], false).facts.status, 103); // biome-ignore format: short
});

t.test('rule 19: a response has one :status of three digits, and no other pseudo-header field', async (t) => {
  for (const status of ['', '20', '2000', '099', '600', '2 0', '20x', '+20', '2\xb20']) {
    t.match(ruleOfPairs('response', [[':status', status]]), /must have :status/, status);
  }
  t.match(ruleOfPairs('response', []), /must have :status/);
  t.match(ruleOfPairs('response', response([':status', '200'])), /there once/);
  t.match(ruleOfPairs('response', response(['x', 'y'], [':status', '200'])), /before the others/);
  t.match(ruleOfPairs('response', [['x', 'y'], ...response()]), /before the others/);
  t.match(ruleOfPairs('response', [[':path', '/'], ...response()]), /does not belong/);
  t.match(ruleOfPairs('response', [[':status', '101']], false), /101 does not exist/);
  t.match(ruleOfPairs('response', [[':status', '100']], true), /may not end the stream/);
});

t.test('rule 19: no fields of the connection in a response either', async (t) => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te']) {
    t.match(ruleOfPairs('response', response([name, 'trailers'])), /do not exist|TE may stand/, name);
  }
  t.match(ruleOfPairs('response', response(['X', 'y'])), /lower case/);
  t.match(ruleOfPairs('response', response(['x', 'y\r\nz: a'])), /control bytes/);
  t.match(ruleOfPairs('response', response(['content-length', '1'], ['content-length', '2'])), /one Content-Length/);
  t.same(donePairs('response', response(['host', 'x'], ['expect', 'y'])).passing, [
    ['host', 'x'],
    ['expect', 'y'],
  ]);
});

t.test('trailers are fields alone; those that may not stand there do not pass', async (t) => {
  const read = donePairs('trailers', [
    ['grpc-status', '0'],
    ['content-length', '1'],
    ['host', 'a'],
    ['grpc-message', ''],
    ['set-cookie', 'x'],
  ]);
  t.equal(read.text, 'grpc-status: 0\r\ncontent-length: 1\r\nhost: a\r\ngrpc-message: \r\nset-cookie: x\r\n\r\n');
  t.equal(read.facts.contentLength, -1);
  t.same(read.pseudo, []);
  t.same(read.passing, [
    ['grpc-status', '0'],
    ['grpc-message', ''],
  ]);
  t.equal(donePairs('trailers', []).text, '\r\n');
  for (const pair of [
    [':status', '200'],
    [':path', '/'],
    [':x', ''],
  ] as const) {
    t.match(ruleOfPairs('trailers', [pair]), /pseudo-header fields may not stand in trailers/);
    t.match(ruleOfPairs('trailers', [['x', 'y'], pair]), /before the others/);
  }
  t.match(ruleOfPairs('trailers', [['connection', 'close']]), /do not exist/);
  t.match(ruleOfPairs('trailers', [['te', 'trailers']]), /TE may stand/);
});

t.test('rule 8: responses and trailers have the same limits', async (t) => {
  for (const kind of ['response', 'trailers'] as const) {
    const begin: Pair[] = kind === 'response' ? response() : [];
    const fields = (count: number): Pair[] => Array.from({ length: count }, (_, index) => [`x${index}`, 'y']);
    t.equal(readPairs(kind, [...begin, ...fields(LIMITS.maxFields)]).result, 'done');
    t.match(ruleOfPairs(kind, [...begin, ...fields(LIMITS.maxFields + 1)]), /^HEAD_TOO_LARGE/);
    const spare = LIMITS.maxHeadBytes - donePairs(kind, [...begin, ['x', '']]).text.length;
    t.equal(readPairs(kind, [...begin, ['x', 'v'.repeat(spare)]]).result, 'done');
    t.match(ruleOfPairs(kind, [...begin, ['x', 'v'.repeat(spare + 1)]]), /^HEAD_TOO_LARGE/);
  }
});

t.test('readers of one process do not mix up their heads', async (t) => {
  const one = makeReader();
  const other = makeReader({ ...LIMITS, maxFields: 3 });
  t.match(readWith(one, 'response', block(response(['x', 'y']))), { text: 'HTTP/1.1 200 OK\r\nx: y\r\n\r\n' });
  t.match(readWith(other, 'response', block(response(['a', 'b'], ['c', 'd'], ['e', 'f'], ['g', 'h']))), {
    rule: 'the head has over 3 fields',
  });
  t.match(readWith(one, 'trailers', block([['z', 'a']])), { text: 'z: a\r\n\r\n' });
  t.match(readBlock('trailers', Buffer.from([0xbe])), { result: 'broken' });
});
