import t from 'tap';
import { hasIdempotencyKey } from '../../src/forward/idempotency-key.ts';
import { NOT_TOLD, retryAfterMs, retryAfterOf } from '../../src/forward/retry-after.ts';
import { headOf, responseHeadOf } from './head-fixture.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0);

t.test('Retry-After is whole seconds', async (t) => {
  for (const [text, ms] of [
    ['0', 0],
    ['1', 1000],
    ['120', 120_000],
    ['007', 7000],
    ['999999999999', 999_999_999_999_000],
    ['9999999999999', Number.POSITIVE_INFINITY],
    ['9'.repeat(5000), Number.POSITIVE_INFINITY],
    ['-1', NOT_TOLD],
    ['+1', NOT_TOLD],
    ['1.5', NOT_TOLD],
    ['1e3', NOT_TOLD],
    ['0x10', NOT_TOLD],
    ['1 2', NOT_TOLD],
    ['1, 2', NOT_TOLD],
    ['Infinity', NOT_TOLD],
    ['', NOT_TOLD],
    ['soon', NOT_TOLD],
  ] as const) {
    t.equal(retryAfterMs(text, NOW), ms, text.slice(0, 20));
  }
});

t.test('or an HTTP-date, in the form of today and in the two of old', async (t) => {
  for (const [text, ms] of [
    ['Sat, 21 Nov 2026 09:30:07 GMT', 7000],
    ['Saturday, 21-Nov-26 09:30:07 GMT', 7000],
    ['Sat Nov 21 09:30:07 2026', 7000],
    ['Sat Nov  7 09:30:07 2026', 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['Sun, 22 Nov 2026 09:30:00 GMT', 86_400_000],
    ['Sat, 21 Nov 2026 09:30:60 GMT', 59_000],
    ['Mon, 29 Feb 2027 09:30:00 GMT', NOT_TOLD],
    ['Sat, 21 Nov 2026 24:00:00 GMT', NOT_TOLD],
    ['Sat, 21 Nov 2026 09:60:00 GMT', NOT_TOLD],
    ['Sat, 21 Nov 2026 09:30:61 GMT', NOT_TOLD],
    ['Sat, 00 Nov 2026 09:30:00 GMT', NOT_TOLD],
    ['Sat, 21 nov 2026 09:30:00 GMT', NOT_TOLD],
    ['Sat, 21 Nov 2026 09:30:00 +0100', NOT_TOLD],
    ['Sat, 21 Nov 2026 09:30:00', NOT_TOLD],
    ['Sat, 1 Nov 2026 09:30:00 GMT', NOT_TOLD],
    ['2026-11-21T09:30:07Z', NOT_TOLD],
  ] as const) {
    t.equal(retryAfterMs(text, NOW), ms, text);
  }
});

t.test('of several Retry-After fields the longest counts, and what cannot be read does not', async (t) => {
  const answer = (fields: string): string => `HTTP/1.1 503 No\r\n${fields}Content-Length: 0\r\n\r\n`;
  t.equal(retryAfterOf(responseHeadOf(answer('')), NOW), NOT_TOLD);
  t.equal(retryAfterOf(responseHeadOf(answer('retry-AFTER: 2\r\n')), NOW), 2000);
  t.equal(retryAfterOf(responseHeadOf(answer('Retry-After: 2\r\nRetry-After: 5\r\nRetry-After: x\r\n')), NOW), 5000);
  t.equal(retryAfterOf(responseHeadOf(answer('X-Retry-After: 2\r\nRetry-Afte: 3\r\n')), NOW), NOT_TOLD);
});

t.test('an Idempotency-Key counts where there is one, with something in it, that goes on', async (t) => {
  for (const [fields, counts] of [
    ['', false],
    ['Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"\r\n', true],
    ['idempotency-KEY: 8e03978e\r\n', true],
    ['Idempotency-Key:\r\n', false],
    ['Idempotency-Key: ""\r\n', false],
    [`Idempotency-Key: ${'x'.repeat(256)}\r\n`, true],
    [`Idempotency-Key: ${'x'.repeat(257)}\r\n`, false],
    ['Idempotency-Key: a\r\nIdempotency-Key: a\r\n', false],
    ['Idempotency-Key: a\r\nConnection: idempotency-key\r\n', false],
    ['X-Idempotency-Key: a\r\nIdempotency-Keys: a\r\n', false],
  ] as const) {
    t.equal(hasIdempotencyKey(headOf(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)), counts, fields.slice(0, 40));
  }
});
