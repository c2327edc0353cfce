import fc from 'fast-check';
import t from 'tap';
import { StreamTable } from '../../../src/protocol/http2/stream-table.ts';

type Entry = { readonly id: number };

t.test('streams are found by their ids, and by no other that shares their place', async (t) => {
  const table = new StreamTable<Entry>();
  const streams = [1, 3, 17, 513, 1025, 0x7fffffff].map((id) => ({ id }));
  for (const stream of streams) table.set(stream);
  t.equal(table.size, 6);
  for (const stream of streams) t.equal(table.get(stream.id), stream);
  for (const id of [5, 2049, 1537, 0x7ffffffd, -1]) t.equal(table.get(id), null);
});

t.test('taking out a stream leaves those that share its place', async (t) => {
  const table = new StreamTable<Entry>();
  // 512 apart: the same place in a ring of 256.
  const [first, second, third] = [{ id: 1 }, { id: 513 }, { id: 1025 }];
  for (const stream of [first, second, third]) table.set(stream);
  t.ok(table.delete(1));
  t.equal(table.get(1), null);
  t.equal(table.get(513), second);
  t.ok(table.delete(1025));
  t.equal(table.get(513), second);
  t.equal(table.size, 1);
  t.notOk(table.delete(1));
  t.notOk(table.delete(1025));
  t.equal(table.size, 1, 'a stream is not counted out twice');
});

t.test('visiting each stream may take out any, and one that is gone is not visited', async (t) => {
  const table = new StreamTable<Entry>();
  for (let id = 1; id <= 41; id += 2) table.set({ id });
  table.set({ id: 513 });
  table.set({ id: 1025 });
  const visited: number[] = [];
  table.forEach(({ id }) => {
    visited.push(id);
    table.delete(id);
    table.delete(id + 2);
    if (id === 1) table.delete(513);
  });
  t.same(visited, [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 1025]);
  t.equal(table.size, 0);
});

t.test('a stream that is added while others are visited does not disturb them', async (t) => {
  const table = new StreamTable<Entry>();
  for (let id = 1; id <= 15; id += 2) table.set({ id });
  const visited: number[] = [];
  let next = 17;
  table.forEach(({ id }) => {
    visited.push(id);
    for (let count = 0; count < 20; count++, next += 2) table.set({ id: next });
  });
  t.same(visited, [1, 3, 5, 7, 9, 11, 13, 15]);
  t.equal(table.size, 168);
});

t.test('whatever is added and taken out, it holds the same as a Map', async () => {
  const id = fc.oneof(
    fc.integer({ min: 0, max: 40 }).map((number) => 2 * number + 1),
    fc.integer({ min: 0, max: 600 }).map((number) => 2 * number + 1),
    fc.integer({ min: 0, max: 6 }).map((number) => 512 * number + 1),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(id, fc.boolean()), { maxLength: 300 }), (steps) => {
      const table = new StreamTable<Entry>();
      const model = new Map<number, Entry>();
      for (const [id, add] of steps) {
        if (!add) {
          if (table.delete(id) !== model.delete(id)) throw new Error(`${id} was not there, or was`);
        } else if (!model.has(id)) {
          const stream = { id };
          table.set(stream);
          model.set(id, stream);
        }
        if (table.size !== model.size) throw new Error('sizes differ');
        if (table.get(id) !== (model.get(id) ?? null)) throw new Error(`${id} is another`);
      }
      const all = new Set<Entry>();
      table.forEach((stream) => {
        all.add(stream);
      });
      if (all.size !== model.size) throw new Error('not all were visited');
      for (const [id, stream] of model)
        if (table.get(id) !== stream || !all.has(stream)) throw new Error(`${id} is lost`);
    }),
    { numRuns: 300 },
  );
});
