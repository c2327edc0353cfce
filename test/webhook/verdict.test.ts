import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { applyPatch, createPatch } from 'rfc6902';
import t from 'tap';
import { isJsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { readReview, writeAnswer } from '../../src/webhook/admission-review.ts';
import { shortArrays } from '../../src/webhook/array-patch.ts';
import { decide, type Inject } from '../../src/webhook/verdict.ts';
import { reviewOf, settings } from './reviews.ts';

const inject: Inject = (pod, all) => injectPod(pod, all, { version: '1.2.3', existing: 'keep' });

function read(changes: Readonly<Record<string, unknown>> = {}) {
  const review = readReview('application/json', JSON.stringify(reviewOf(changes)));
  if ('refused' in review) throw new Error(review.refused);
  return review;
}

/** What an API server reads of an answer. */
function responseOf(answer: Parameters<typeof writeAnswer>[0]): Record<string, unknown> {
  const tree: unknown = JSON.parse(writeAnswer(answer));
  const response = isJsonObject(tree) ? tree.response : null;
  return isJsonObject(response) ? { ...response } : {};
}

t.test('what is no question that can be read is refused with a reason', async (t) => {
  const whole = JSON.stringify(reviewOf());
  for (const [type, body, reason] of [
    ['text/plain', whole, /content type/],
    [undefined, whole, /content type/],
    ['application/json', '{', /no JSON/],
    ['application/json', '[]', /kind/],
    ['application/json', whole.replace('"AdmissionReview"', '"Review"'), /kind/],
    ['application/json', whole.replace('k8s.io/v1"', 'k8s.io/v1beta1"'), /apiVersion/],
    ['application/json', JSON.stringify({ ...reviewOf(), request: null }), /no request/],
    ['application/json', JSON.stringify(reviewOf({ uid: '' })), /uid/],
    ['application/json', JSON.stringify(reviewOf({ object: 'pod' })), /object/],
  ] as const)
    t.match(readReview(type, body), { refused: reason }, String(reason));
  t.notOk('refused' in readReview('Application/JSON; charset=utf-8', whole));
});

t.test('a pod is patched to what injection makes of it', async (t) => {
  const review = read();
  const { answer, outcome } = decide(review, settings(), inject);
  t.equal(outcome, 'injected');
  const response = responseOf(answer);
  t.match(response, {
    uid: review.uid,
    allowed: true,
    patchType: 'JSONPatch',
    auditAnnotations: { outcome: 'injected' },
  });
  const pod = structuredClone(review.pod);
  t.same(applyPatch(pod, JSON.parse(Buffer.from(String(response.patch), 'base64').toString())), Array(5).fill(null));
  t.same(pod, inject(review.pod ?? {}, settings()).pod);
});

t.test('what is no new pod is let through as it is', async (t) => {
  for (const changes of [
    { operation: 'UPDATE' },
    { subResource: 'binding' },
    { resource: { group: '', version: 'v1', resource: 'services' } },
    { resource: { group: 'apps', version: 'v1', resource: 'pods' } },
    { operation: 'DELETE', object: null },
  ]) {
    const { answer, outcome } = decide(read(changes), settings(), () => t.fail('it is injected') as never);
    t.equal(outcome, 'ignored');
    t.same(responseOf(answer), { uid: answer.uid, allowed: true });
  }
});

t.test('a pod that is skipped is allowed, with the reason as a warning and for the audit log', async (t) => {
  const object = {
    metadata: { annotations: { 'carpool.dev/inject': 'maybe' } },
    spec: { containers: [{ name: 'a' }] },
  };
  const { answer, outcome, reason } = decide(read({ object }), settings(), inject);
  t.same([outcome, reason], ['skipped', 'invalid_annotation']);
  const response = responseOf(answer);
  t.match(response, { allowed: true, auditAnnotations: { outcome: 'skipped', reason: 'invalid_annotation' } });
  t.match(response.warnings, [/carpool\.dev\/inject/]);
  t.notOk('patch' in response);
});

t.test('a pod starts whatever goes wrong in here', async (t) => {
  const fault = new Error('a fault');
  const thrown = decide(read(), settings(), () => {
    throw fault;
  });
  t.equal(thrown.outcome, 'failed');
  t.equal(thrown.error, fault);
  const early = decide(read(), null, inject);
  t.equal(early.outcome, 'failed');
  for (const { answer } of [thrown, early]) {
    const response = responseOf(answer);
    t.match(response, { allowed: true, warnings: [/starts without a sidecar/] });
    t.notOk('patch' in response || 'patchType' in response);
  }
});

t.test('warnings are single lines, as long and as many as an API server passes on', async (t) => {
  const warnings = ['two\nlines', '🚗'.repeat(300), ...Array(40).fill('w'.repeat(256))];
  const response = responseOf({ uid: 'u', patch: [], warnings, auditAnnotations: {} });
  const sent = Array.isArray(response.warnings) ? response.warnings.map(String) : [];
  t.equal(sent[0], 'two lines');
  t.equal(sent[1], `${'🚗'.repeat(255)}…`);
  t.ok(sent.reduce((sum, each) => sum + [...each].length, 0) <= 4096);
  t.equal(sent.length, 2 + Math.floor((4096 - 265) / 256));
});

t.test('a container with thousands of variables costs eight operations', async (t) => {
  const env = Array.from({ length: 5_000 }, (_, index) => ({ name: `V${index}`, value: String(index) }));
  const before = { containers: [{ name: 'app', env }] };
  const added = Array.from({ length: 8 }, (_, index) => ({ name: `P${index}`, value: 'x' }));
  const after = { containers: [{ name: 'app', env: [...env, ...added] }] };
  const patch = createPatch(before, after, shortArrays);
  t.same(
    patch.map(({ path }) => path),
    added.map((_, index) => `/containers/0/env/${5_000 + index}`),
  );
});

t.test('a new item before others is one operation, and one that is changed is changed inside', async (t) => {
  const before = {
    list: [
      { name: 'a', value: 1 },
      { name: 'b', value: 2 },
    ],
  };
  const after = { list: [{ name: 'new' }, { name: 'a', value: 1 }, { name: 'b', value: 3 }] };
  t.same(createPatch(before, after, shortArrays), [
    { op: 'add', path: '/list/0', value: { name: 'new' } },
    { op: 'replace', path: '/list/2/value', value: 3 },
  ]);
});

t.test('whatever two lists are, the patch leads from one to the other', async (t) => {
  const item = fc.oneof(
    fc.record({ name: fc.constantFrom('a', 'b', 'c/d', '~'), list: fc.array(fc.nat(3), { maxLength: 3 }) }),
    fc.constantFrom('x', 'y', null, 1),
  );
  const lists = fc.record({ list: fc.array(item, { maxLength: 6 }) });
  const holds = fc.check(
    fc.property(lists, lists, (...both) => {
      // As JSON has them: objects of fast-check have no prototype.
      const [before, after]: unknown[] = JSON.parse(JSON.stringify(both));
      const result = structuredClone(before);
      applyPatch(result, createPatch(before, after, shortArrays));
      return isDeepStrictEqual(result, after);
    }),
    { numRuns: 500 },
  );
  t.notOk(holds.failed, JSON.stringify(holds.counterexample));
});
