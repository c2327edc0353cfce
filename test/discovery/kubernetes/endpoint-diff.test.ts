import t from 'tap';
import type { EndpointSpec } from '../../../src/discovery/discovery.ts';
import { EndpointDiff } from '../../../src/discovery/kubernetes/endpoint-diff.ts';
import type { Condition, SelectedEndpoint } from '../../../src/discovery/kubernetes/select-endpoints.ts';
import { RecordingSink } from '../recording-sink.ts';

type One = Partial<EndpointSpec> & { readonly condition?: Condition; readonly otherId?: string };

/** A selection by id; a word alone is a condition. */
function of(endpoints: Readonly<Record<string, Condition | One>>): Map<string, SelectedEndpoint> {
  return new Map(
    Object.entries(endpoints).map(([id, given]) => {
      const { condition = 'ready', otherId = null, ...spec } = typeof given === 'string' ? { condition: given } : given;
      return [id, { spec: { id, address: id, port: 80, ...spec }, condition, otherId }];
    }),
  );
}

/** The diff after `before` was told, with what came of that forgotten. */
function after(before: Readonly<Record<string, Condition | One>>) {
  const sink = new RecordingSink();
  const diff = new EndpointDiff(sink);
  diff.apply(of(before));
  sink.take();
  return {
    sink,
    diff,
    calls: (next: Readonly<Record<string, Condition | One>>) => {
      diff.apply(of(next));
      return sink.take();
    },
  };
}

t.test('of endpoints first heard of, those that can serve are told', async (t) => {
  const sink = new RecordingSink();
  const selection = of({ a: 'leaving', b: 'serving', c: 'unready', d: 'ready' });
  t.equal(new EndpointDiff(sink).apply(selection), false);
  t.same(sink.take(), ['add d', 'add b', 'terminating b serving']);
});

t.test('each change of condition is one call', async (t) => {
  const cases: readonly [Condition, Condition, string[]][] = [
    ['ready', 'ready', []],
    ['ready', 'unready', ['unready a']],
    ['ready', 'serving', ['terminating a serving']],
    ['ready', 'leaving', ['terminating a']],
    ['serving', 'ready', ['add a']],
    ['serving', 'unready', ['unready a']],
    ['serving', 'serving', []],
    ['serving', 'leaving', ['terminating a']],
    ['unready', 'ready', ['add a']],
    ['unready', 'unready', []],
    ['unready', 'serving', ['terminating a serving']],
    ['unready', 'leaving', ['terminating a']],
    ['leaving', 'ready', ['add a']],
    ['leaving', 'unready', ['unready a']],
    ['leaving', 'serving', ['terminating a serving']],
    ['leaving', 'leaving', []],
  ];
  for (const [from, to, expected] of cases) {
    const { calls } = after({ a: 'ready' });
    calls({ a: from });
    t.same(calls({ a: to }), expected, `${from} → ${to}`);
    t.same(calls({ a: to }), [], 'and no more');
    t.same(calls({}), ['remove a']);
    t.same(calls({}), []);
  }
});

t.test('an endpoint that was never told is not told to be unready or leaving', async (t) => {
  const { calls } = after({});
  t.same(calls({ a: 'unready' }), []);
  t.same(calls({ a: 'leaving' }), []);
  t.same(calls({}), []);
  t.same(calls({ a: 'unready' }), []);
  t.same(calls({ a: 'ready' }), ['add a']);
});

t.test('better endpoints are told before worse ones go', async (t) => {
  const { calls } = after({ a: 'ready', b: 'ready', c: 'ready', d: 'ready', u: 'ready' });
  t.same(calls({ u: 'unready', a: 'ready', b: 'ready', c: 'ready', d: 'ready' }), ['unready u']);
  t.same(calls({ a: 'unready', b: 'leaving', c: 'serving', new: 'ready', shy: 'serving', u: 'serving' }), [
    'add new',
    'add shy',
    'terminating shy serving',
    'terminating u serving',
    'unready a',
    'terminating b',
    'remove d',
    // Last: while it is the only one left, it keeps its idle connections.
    'terminating c serving',
  ]);
});

t.test('the diff says whether an endpoint left the rotation', async (t) => {
  const cases: readonly [Condition, Condition | null, boolean][] = [
    ['ready', 'ready', false],
    ['ready', 'unready', true],
    ['ready', 'serving', true],
    ['ready', 'leaving', true],
    ['ready', null, true],
    ['unready', 'ready', false],
    ['unready', 'unready', false],
    ['unready', 'leaving', true],
    ['unready', null, true],
    ['serving', 'serving', false],
    ['serving', 'leaving', true],
    ['serving', null, true],
    ['leaving', 'ready', false],
    ['leaving', 'serving', false],
    ['leaving', null, false],
  ];
  for (const [from, to, expected] of cases) {
    const { diff } = after({ a: 'ready' });
    diff.apply(of({ a: from }));
    const next = to === null ? of({ b: 'ready' }) : of({ a: to, b: 'ready' });
    t.equal(diff.apply(next), expected, `${from} → ${to}`);
  }
});

t.test('another pod at the same address is added before the old one goes', async (t) => {
  const { calls } = after({ '10.0.0.1:80/old': 'ready' });
  t.same(calls({ '10.0.0.1:80/new': 'ready' }), ['add 10.0.0.1:80/new', 'remove 10.0.0.1:80/old']);
});

const V4 = { address: '10.0.0.1', otherAddress: 'fd00::1', otherId: 'v6' };
const V6 = { address: 'fd00::1', otherAddress: '10.0.0.1', otherId: 'v4' };

t.test('a dual-stack endpoint stays itself while one family is missing', async (t) => {
  const { calls } = after({ v4: V4 });
  t.same(calls({ v4: { address: '10.0.0.1' } }), []);
  t.same(calls({ v4: V4 }), []);
  t.same(calls({ v6: { address: 'fd00::1' } }), []);
  t.same(calls({ v4: V4 }), []);
  t.same(calls({ v6: { address: 'fd00::1', condition: 'leaving' } }), ['terminating v4']);
  t.same(calls({}), ['remove v4']);
});

t.test('a dual-stack endpoint keeps the id by which it was told, and gains its other address', async (t) => {
  const { calls, sink } = after({ v4: { address: '10.0.0.1' } });
  t.same(calls({ v6: V6 }), ['add v4']);
  t.same(sink.specs.at(-1), { id: 'v4', address: '10.0.0.1', port: 80, otherAddress: 'fd00::1' });
  t.same(calls({ v6: V6 }), []);
  t.same(calls({ v6: { ...V6, condition: 'unready' } }), ['unready v4']);
  t.same(calls({ v4: V4 }), ['add v4']);
  t.same(calls({}), ['remove v4']);
});

t.test('each family may be missing in its turn', async (t) => {
  const { calls } = after({ v4: V4 });
  t.same(calls({ v4: { address: '10.0.0.1' } }), []);
  t.same(calls({ v6: { address: 'fd00::1' } }), []);

  const late = after({ v4: { address: '10.0.0.1' } });
  t.same(late.calls({ v6: V6 }), ['add v4']);
  t.same(late.calls({ v6: { address: 'fd00::1' } }), []);

  const unready = after({ v4: { address: '10.0.0.1' } });
  t.same(unready.calls({ v6: { ...V6, condition: 'unready' } }), ['unready v4']);
  t.same(unready.calls({ v6: { address: 'fd00::1', condition: 'unready' } }), []);
  t.same(unready.calls({ v6: { address: 'fd00::1' } }), ['add v4']);
  t.equal(unready.sink.specs.at(-1)?.otherAddress, 'fd00::1');
});

t.test('two addresses that turn out not to be one endpoint are two', async (t) => {
  const { calls } = after({ v4: V4 });
  const apart = { v4: { address: '10.0.0.1' }, v6: { address: 'fd00::1' }, more: { address: '10.0.0.2' } };
  t.same(calls(apart), ['add v6', 'add more']);
  t.same(calls(apart), []);
  t.same(calls({ more: { address: '10.0.0.2' } }), ['remove v4', 'remove v6']);
});

t.test('one told endpoint answers for one of the selection only', async (t) => {
  const { calls } = after({ v4: V4 });
  t.same(calls({ v6: { address: 'fd00::1' }, x: { address: '10.0.0.3', otherId: 'v4' } }), ['add x']);
  t.same(calls({}), ['remove v4', 'remove x']);
});

t.test('what is new about a ready endpoint is told, and nothing else is', async (t) => {
  for (const news of [
    { zone: 'b' },
    { hostname: 'h' },
    { pod: 'p' },
    { appProtocol: 'grpc' },
    { otherAddress: 'fd00::2' },
  ]) {
    const { calls, sink } = after({ a: {} });
    t.same(calls({ a: news }), ['add a'], JSON.stringify(news));
    t.match(sink.specs.at(-1), news);
    t.same(calls({ a: news }), []);
  }
});

t.test('what is new about an unready endpoint is told when it is ready', async (t) => {
  const { calls, sink } = after({ a: {} });
  t.same(calls({ a: 'unready' }), ['unready a']);
  t.same(calls({ a: { condition: 'unready', appProtocol: 'grpc' } }), []);
  t.same(calls({ a: { appProtocol: 'grpc' } }), ['add a']);
  t.equal(sink.specs.at(-1)?.appProtocol, 'grpc');
});

t.test('clear takes everything back, once', async (t) => {
  const { diff, sink, calls } = after({ a: 'ready', b: 'serving', c: 'unready' });
  diff.clear();
  t.same(sink.take(), ['remove a', 'remove b']);
  diff.clear();
  t.same(sink.take(), []);
  t.same(calls({ a: 'ready' }), ['add a']);
});
