import t from 'tap';
import { RequestReader } from '../../bench/faults/request-reader.ts';
import { ResponseReader } from '../../bench/load/response-reader.ts';

const cases: readonly {
  readonly name: string;
  readonly text: string;
  readonly status: number;
  readonly keepAlive: boolean;
}[] = [
  { name: 'with a length', text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', status: 200, keepAlive: true },
  { name: 'with no body', text: 'HTTP/1.1 204 No Content\r\n\r\n', status: 204, keepAlive: true },
  {
    name: 'in chunks, with a trailer',
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
    status: 200,
    keepAlive: true,
  },
  {
    name: 'after an interim response',
    text: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\nConnection: close\r\n\r\n',
    status: 503,
    keepAlive: false,
  },
];

for (const { name, text, status, keepAlive } of cases) {
  t.test(`a response ${name} ends at its last byte, wherever it is split`, async (t) => {
    const bytes = Buffer.from(text, 'latin1');
    for (let split = 1; split < bytes.length; split++) {
      const reader = new ResponseReader();
      t.equal(reader.take(bytes.subarray(0, split)), false, `split at ${split}`);
      t.equal(reader.begun, true);
      t.equal(reader.take(bytes.subarray(split)), true);
      t.equal(reader.begun, false);
      t.equal(reader.status, status);
      t.equal(reader.keepAlive, keepAlive);
    }
  });
}

t.test('a reader takes one response after another', async (t) => {
  const reader = new ResponseReader();
  t.equal(reader.take(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')), true);
  t.equal(reader.take(Buffer.from('HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n')), false);
  t.equal(reader.take(Buffer.from('x')), true);
  t.equal(reader.status, 404);
});

t.test('a close is the end of a response without a length, and of no other', async (t) => {
  const unbounded = new ResponseReader();
  t.equal(unbounded.take(Buffer.from('HTTP/1.1 200 OK\r\n\r\npart')), false);
  t.equal(unbounded.end(), true);
  const cut = new ResponseReader();
  t.equal(cut.take(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')), false);
  t.equal(cut.end(), false);
  t.equal(new ResponseReader().end(), false);
});

t.test('an endpoint sees each request once it has arrived whole, wherever it is split', async (t) => {
  const text =
    'GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST http://x/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc' +
    'POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n';
  const bytes = Buffer.from(text, 'latin1');
  const wanted = [
    { method: 'GET', path: '/a' },
    { method: 'POST', path: '/b' },
    { method: 'POST', path: '/c' },
  ];
  for (let split = 1; split < bytes.length; split++) {
    const reader = new RequestReader();
    const before = reader.take(bytes.subarray(0, split));
    t.ok(before.length < wanted.length);
    t.strictSame([...before, ...reader.take(bytes.subarray(split))], wanted, `split at ${split}`);
  }
});
