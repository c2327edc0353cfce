import t from 'tap';
import { readReview } from '../../src/webhook/admission-review.ts';
import { beyondLimits } from '../../src/webhook/json-limits.ts';
import { reviewOf } from './reviews.ts';

const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

t.test('a text that would fill the heap is refused before it is parsed', async (t) => {
  t.match(beyondLimits(nested(201, '[', ']')), /200 levels deep/);
  t.match(beyondLimits(nested(201, '{"a":', '}')), /200 levels deep/);
  t.equal(beyondLimits(nested(200, '{"a":', '}')), null);
  t.match(beyondLimits(`[${'{},'.repeat(200_000)}1]`), /300000 values/);
  t.match(beyondLimits(`{${'"a":1,'.repeat(300_001)}`), /300000 values/);
  t.equal(beyondLimits(`[${'[],'.repeat(149_999)}1]`), null, 'lists beside each other are not deep');
  t.same(readReview('application/json', nested(1_500_000, '[', ']')), {
    refused: 'the body: it is more than 200 levels deep',
  });
});

t.test('what stands in strings does not count', async (t) => {
  const pod = { metadata: { name: 'web', annotations: { a: '[{"\\'.repeat(100_000), b: ','.repeat(400_000) } } };
  const text = JSON.stringify({ ...pod, c: '\\', d: '"', e: '\\"[' });
  t.equal(beyondLimits(text), null);
  t.equal(beyondLimits(`"\\"${'['.repeat(300)}`), null, 'nor where one does not end');
  t.match(beyondLimits(`"\\\\"${'['.repeat(300)}`), /deep/, 'behind one it does');
});

t.test('a pod with twenty thousand variables is read', async (t) => {
  const env = Array.from({ length: 20_000 }, (_, nth) => ({ name: `V${nth}`, value: '[{,' }));
  t.equal(beyondLimits(JSON.stringify({ ...reviewOf(), env, twice: env })), null);
});
