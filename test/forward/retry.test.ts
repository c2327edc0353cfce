import t from 'tap';
import { BufferBudget } from '../../src/forward/buffer-budget.ts';
import { grpcTimeoutMs, isStreaming, ownDeadlineMs, requestTimeoutMs } from '../../src/forward/deadlines.ts';
import { KeptRequest } from '../../src/forward/kept-request.ts';
import { mayRetry, type RetryQuestion } from '../../src/forward/retry.ts';
import { Head } from '../../src/protocol/head.ts';
import { HeadScanner, SCAN_DONE } from '../../src/protocol/http1/head-scanner.ts';

const scanner = new HeadScanner(new Head(200), { maxHeadBytes: 65_536, maxFields: 200, maxTargetBytes: 16_384 });

function headOf(text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  if (scanner.scanRequest(bytes, 0, bytes.length) !== SCAN_DONE) throw new Error(scanner.fault.rule);
  return scanner.head;
}

/** A GET on a reused connection that closed before a byte of the answer came. */
const stale: RetryQuestion = {
  failure: {
    code: 'UPSTREAM_CLOSED',
    message: '',
    unprocessed: false,
    responseStarted: false,
    connectionLost: true,
    streamCode: null,
  },
  attempts: 1,
  idempotent: true,
  reused: true,
  retriedStale: false,
  replayable: true,
};
const failure = (changes: Partial<RetryQuestion['failure']>): RetryQuestion['failure'] => ({
  ...stale.failure,
  ...changes,
});

t.test('an idempotent request on a stale connection is retried, once', async (t) => {
  t.equal(mayRetry(stale), 'retry');
  t.equal(mayRetry({ ...stale, failure: failure({ code: 'UPSTREAM_RESET' }) }), 'retry');
  t.equal(mayRetry({ ...stale, retriedStale: true }), 'no');
  t.equal(mayRetry({ ...stale, reused: false }), 'no', 'a fresh connection that closes says something of the server');
  t.equal(mayRetry({ ...stale, failure: failure({ code: 'UPSTREAM_PROTOCOL' }) }), 'no');
});

t.test('a stream that the upstream reset is no stale connection', async (t) => {
  const reset = failure({ code: 'UPSTREAM_RESET', connectionLost: false, streamCode: 2 });
  t.equal(mayRetry({ ...stale, failure: reset }), 'no');
});

t.test('a request that is not idempotent is lost with a stale connection', async (t) => {
  t.equal(mayRetry({ ...stale, idempotent: false }), 'lost');
});

t.test('what was provably not processed is retried whatever the method', async (t) => {
  const unprocessed = { ...stale, failure: failure({ unprocessed: true }), idempotent: false };
  t.equal(mayRetry(unprocessed), 'retry');
  t.equal(mayRetry({ ...unprocessed, reused: false, retriedStale: true, attempts: 2 }), 'retry');
  t.equal(mayRetry({ ...unprocessed, attempts: 3 }), 'no', 'three attempts in all');
  t.equal(mayRetry({ ...unprocessed, replayable: false }), 'lost');
});

t.test('nothing is retried after the response has begun, nor without the whole request', async (t) => {
  t.equal(mayRetry({ ...stale, failure: failure({ responseStarted: true }) }), 'no');
  t.equal(mayRetry({ ...stale, failure: failure({ responseStarted: true, unprocessed: true }) }), 'no');
  t.equal(mayRetry({ ...stale, replayable: false }), 'lost');
});

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
