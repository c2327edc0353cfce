import t from 'tap';
import { BufferBudget } from '../../src/forward/buffer-budget.ts';
import { grpcTimeoutMs, isStreaming, ownDeadlineMs, requestTimeoutMs } from '../../src/forward/deadlines.ts';
import { KeptRequest } from '../../src/forward/kept-request.ts';
import { headOf, scanner } from './head-fixture.ts';

/** The head that is kept, as text, read again as the exchange reads it. */
function keptHead(kept: KeptRequest): string {
  const head = kept.scanHead(scanner);
  return head === null ? '' : head.buffer.toString('latin1', head.start, head.end);
}

t.test('a kept request gives back head and body byte for byte, and all of its budget', async (t) => {
  const budget = new BufferBudget(1_000_000);
  const kept = new KeptRequest(budget);
  const text = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n';
  kept.addBody(Buffer.from('lost'), 0, 4);
  t.notOk(kept.whole, 'a body without its head is not whole');
  kept.keepHead(headOf(text));
  kept.addBody(Buffer.from('..abc'), 2, 5);
  kept.addBody(Buffer.from('def'), 0, 3);
  t.ok(kept.whole);
  t.equal(keptHead(kept), text);
  t.equal(kept.bodyBytes().toString(), 'abcdef');
  t.equal(kept.bodyLength, 6);
  const large = Buffer.alloc(100_000, 'x');
  kept.addBody(large, 0, large.length);
  t.equal(keptHead(kept), text, 'growing moves what was there');
  t.equal(kept.bodyBytes().toString(), `abcdef${large.toString()}`);
  t.ok(budget.used >= 100_000 + text.length);
  kept.forget();
  t.notOk(kept.whole);
  t.ok(budget.used <= 8192, 'a large buffer does not stay');
  kept.keepHead(headOf(text));
  t.equal(kept.bodyLength, 0);
  t.equal(keptHead(kept), text);
  kept.forget();
  kept.close();
  t.equal(budget.used, 0);
  kept.close();
  t.equal(budget.used, 0, 'closing twice gives nothing back twice');
});

t.test('bytes that are sent already are kept up to the limit, and while there is memory', async (t) => {
  const budget = new BufferBudget(40_000);
  const kept = new KeptRequest(budget);
  const head = headOf('PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n');
  kept.keepHead(head);
  kept.addSent(Buffer.from('abc'), 0, 3, 6);
  kept.addSent(Buffer.from('def'), 0, 3, 6);
  t.equal(kept.bodyBytes().toString(), 'abcdef');
  t.ok(kept.worthKeeping(6));
  t.notOk(kept.worthKeeping(5));
  kept.addSent(Buffer.from('g'), 0, 1, 6);
  t.notOk(kept.whole, 'over the limit');
  kept.addSent(Buffer.from('h'), 0, 1, 6);
  t.equal(kept.bodyLength, 0);
  kept.keepHead(head);
  budget.charge(10_000);
  t.notOk(kept.worthKeeping(6));
  kept.addSent(Buffer.from('abc'), 0, 3, 6);
  t.notOk(kept.whole, 'memory is short');
  budget.release(10_000);
  kept.close();
  t.equal(budget.used, 0);
});

t.test('a request that waits takes 64 KiB of body, and then no more may come', async (t) => {
  const kept = new KeptRequest(new BufferBudget(1_000_000));
  kept.keepHead(headOf('PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n'));
  t.ok(kept.addWaiting(Buffer.alloc(65_535), 0, 65_535));
  t.notOk(kept.addWaiting(Buffer.alloc(1), 0, 1));
  t.equal(kept.bodyLength, 65_536);
  kept.close();
});

t.test('two kept requests never share bytes', async (t) => {
  const budget = new BufferBudget(1_000_000);
  const text = (name: string): string => `GET /${name} HTTP/1.1\r\nHost: ${name}\r\n\r\n`;
  const all = Array.from({ length: 300 }, () => new KeptRequest(budget));
  for (let round = 0; round < 3; round++) {
    for (const [index, kept] of all.entries()) kept.keepHead(headOf(text(`r${round}n${index}`)));
    for (const [index, kept] of all.entries()) {
      if (keptHead(kept) !== text(`r${round}n${index}`)) t.fail(`${round} ${index}`);
      kept.forget();
    }
  }
  for (const kept of all) kept.close();
  t.equal(budget.used, 0);
});

t.test('over a quarter of the budget is tight and constrained, the whole exhausted', async (t) => {
  const budget = new BufferBudget(800);
  const state = () => [budget.tight, budget.constrained, budget.exhausted];
  budget.charge(200);
  t.same(state(), [false, false, false]);
  budget.charge(1);
  t.same(state(), [true, true, false]);
  budget.charge(599);
  t.same(state(), [true, true, true]);
  budget.setMax(4000);
  t.same(state(), [false, false, false]);
  budget.release(800);
  t.equal(budget.used, 0);
});

t.test('an eighth of the budget may be promised to peers, and nothing while memory is short', async (t) => {
  const budget = new BufferBudget(800);
  t.equal(budget.promise(100), true);
  t.equal(budget.promise(1), false);
  budget.unpromise(50);
  t.equal(budget.promise(50), true);
  budget.unpromise(100);
  budget.charge(201);
  t.equal(budget.promise(1), false);
});

t.test('grpc-timeout is digits and a unit; the shorter deadline counts', async (t) => {
  for (const [text, ms] of [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1500000u', 1500],
    ['1n', 1],
    ['0S', 1],
    ['123456789S', 0],
    ['5', 0],
    ['5h', 0],
  ] as const) {
    t.equal(grpcTimeoutMs(text), ms, text);
  }
  const both = headOf('POST http://a/ HTTP/1.1\r\nHost: a\r\ngrpc-timeout: 2S\r\nX-Request-Timeout: 1\r\n\r\n');
  t.equal(ownDeadlineMs(both), 1000);
});

t.test('X-Request-Timeout is read in seconds or with its unit', async (t) => {
  for (const [text, ms] of [
    ['15', 15_000],
    ['0.5', 500],
    [' 2 ', 2000],
    ['1500ms', 1500],
    ['15s', 15_000],
    ['2m', 120_000],
    ['', 0],
    ['-1', 0],
    ['1e9', 0],
    ['5 s', 0],
    ['5h', 0],
    ['0x10', 0],
    ['99999999999', 0],
  ] as const) {
    t.equal(requestTimeoutMs(text), ms, text);
  }
});

t.test('event streams and gRPC are streams, other types are not', async (t) => {
  for (const [type, streams] of [
    ['text/event-stream', true],
    ['Text/Event-Stream; charset=utf-8', true],
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['application/grp', false],
    ['text/event', false],
    ['application/json', false],
  ] as const) {
    t.equal(isStreaming(headOf(`GET / HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\n\r\n`)), streams, type);
  }
});
