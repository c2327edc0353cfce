import fc from 'fast-check';
import t from 'tap';
import { type Beat, fill, LeaseTable } from './lease-table.ts';

const TTL = 10_000;

/** A sidecar as the table sees it: it obeys what it was told, and its sockets come down one after the other. */
class Member {
  readonly id: string;
  readonly #table: LeaseTable;
  readonly #budget: number;
  readonly #minShare: number;
  limit = 0;
  held = 0;
  wants = 0;
  known = 0;
  #seq = 0;

  constructor(id: string, table: LeaseTable, budget: number, minShare = 1) {
    this.id = id;
    this.#table = table;
    this.#budget = budget;
    this.#minShare = minShare;
  }

  call(): Beat {
    const { id, limit, held, wants, known } = this;
    const numbers = { seq: ++this.#seq, ttl: TTL, budget: this.#budget, minShare: this.#minShare };
    return { id, ...numbers, limit, held, fast: wants, slow: wants, known, silence: 2000 };
  }

  /** @param heard whether the answer arrives */
  beat(now: number, heard = true): void {
    const { share, peers } = this.#table.beat(this.call(), now);
    if (!heard) return;
    this.limit = share;
    this.known = peers;
  }

  /** Opens what it may and needs; closes `closing` of what is over its limit. */
  move(closing: number): void {
    if (this.held > this.limit) this.held = Math.max(this.limit, this.held - closing);
    else this.held = Math.min(this.limit, Math.max(this.wants, 0));
  }
}

function fleet(count: number, table: LeaseTable, budget: number, minShare = 1): Member[] {
  return Array.from({ length: count }, (_, i) => new Member(`m${String(i).padStart(3, '0')}`, table, budget, minShare));
}

/** Everybody calls twice a second. @returns the time afterwards */
function run(members: readonly Member[], from: number, ms: number, closing = 1000): number {
  let now = from;
  for (; now < from + ms; now += 500) {
    for (const member of members) {
      member.beat(now);
      member.move(closing);
    }
  }
  return now;
}

const sum = (members: readonly Member[], of: (member: Member) => number): number =>
  members.reduce((all, member) => all + of(member), 0);

t.test(
  'a division gives nobody more than the wish, nothing away that is wished for, and who gets less gets no less than others',
  async () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { minLength: 1, maxLength: 30, size: 'max' }),
        fc.nat(1000),
        (wishes, budget) => {
          const { got, rest } = fill(wishes, budget);
          const given = got.reduce((a, b) => a + b, 0);
          if (given + rest !== budget || rest < 0) return false;
          const wanting = got.filter((each, i) => each < (wishes[i] ?? 0));
          if (wanting.length > 0 && rest > 0) return false;
          const most = Math.max(...got);
          return (
            got.every((each, i) => each <= (wishes[i] ?? 0) && each >= 0) && wanting.every((each) => each >= most - 1)
          );
        },
      ),
    );
  },
);

t.test('whatever is called, lost and closed late: no more is reserved or open than the budget', async () => {
  const step = fc.record({
    who: fc.nat(11),
    what: fc.constantFrom('beat', 'beat', 'beat', 'lost', 'want', 'move', 'leave'),
    wants: fc.nat(120),
    closing: fc.nat(10),
    after: fc.nat(400),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { minLength: 50, maxLength: 300, size: 'max' }),
      (budget, minShare, steps) => {
        const table = new LeaseTable();
        const members = fleet(12, table, budget, minShare);
        let now = 1_000_000;
        for (const { who, what, wants, closing, after } of steps) {
          const member = members[who];
          if (member === undefined) return false;
          now += after;
          if (what === 'want') member.wants = wants;
          else if (what === 'move') member.move(closing);
          else if (what === 'leave') {
            // It closes all that it has before it says so.
            member.held = 0;
            member.limit = 0;
            table.leave(member.id);
          } else member.beat(now, what === 'beat');
          // Nobody is silent for so long that the lease ends: those have a test of their own.
          for (const each of members) {
            const seen = table.members.get(each.id)?.seen;
            if (seen !== undefined && seen + TTL < now + 1000) each.beat(now);
          }
          if (table.reserved() > budget || sum(members, (each) => each.held) > budget) return false;
          if (sum(members, (each) => Math.max(each.held, each.limit)) > budget) return false;
        }
        return true;
      },
    ),
    { numRuns: 300 },
  );
});

t.test('every sidecar comes to its minimum, and the rest goes where it is wanted', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.nat(150), { minLength: 1, maxLength: 12, size: 'max' }),
      (budget, minShare, wishes) => {
        const table = new LeaseTable();
        const members = fleet(wishes.length, table, budget, minShare);
        for (const [i, member] of members.entries()) member.wants = wishes[i] ?? 0;
        run(members, 1_000_000, 12_000);
        const least = Math.min(minShare, Math.floor(budget / members.length));
        const wanted = sum(members, (each) => Math.max(least, each.wants));
        const used = sum(members, (each) => each.limit);
        return members.every((each) => each.limit >= least) && used === Math.min(budget, wanted);
      },
    ),
  );
});

t.test('demand of one that goes from 5 % to 60 % is followed within 3 s', async (t) => {
  const table = new LeaseTable();
  const members = fleet(20, table, 100);
  for (const member of members) member.wants = 5;
  const now = run(members, 1_000_000, 6000);
  t.ok(members.every((each) => each.limit === 5));
  for (const member of members) member.wants = 2;
  const [one] = members;
  if (one === undefined) throw new Error('there are twenty');
  one.wants = 60;
  run(members, now, 3000);
  t.equal(one.limit, 60);
  t.ok(sum(members, (each) => each.limit) <= 100);
});

t.test('who came down in what it may have, but not in what it has, holds back the others', async (t) => {
  const table = new LeaseTable();
  const [one, two] = fleet(2, table, 10);
  if (one === undefined || two === undefined) throw new Error('there are two');
  one.wants = 10;
  let now = run([one], 1_000_000, 5000);
  t.equal(one.held, 10);
  two.wants = 10;
  for (let i = 0; i < 6; i++, now += 500) {
    one.beat(now);
    two.beat(now);
  }
  t.equal(one.limit, 5, 'the first is told to have less');
  t.equal(two.limit, 0, 'and while it still has ten the second has none');
  one.held = 8;
  one.beat(now);
  two.beat(now);
  t.equal(two.limit, 2, 'each that it closes is the other’s');
  one.held = 5;
  one.beat(now + 500);
  two.beat(now + 500);
  t.equal(two.limit, 5);
});

t.test('a sidecar that says nothing for its lease’s time has lost it, and others grow into it', async (t) => {
  const table = new LeaseTable();
  const [one, two] = fleet(2, table, 10);
  if (one === undefined || two === undefined) throw new Error('there are two');
  one.wants = 8;
  two.wants = 8;
  const now = run([one, two], 1_000_000, 6000);
  t.same([one.limit, two.limit], [5, 5]);
  run([two], now, TTL - 1000);
  t.equal(two.limit, 5, 'while it may come back nothing is taken');
  run([two], now + TTL - 1000, 2000);
  t.equal(two.limit, 8);
});

t.test('who leaves gives its share back at once', async (t) => {
  const table = new LeaseTable();
  const [one, two] = fleet(2, table, 10);
  if (one === undefined || two === undefined) throw new Error('there are two');
  one.wants = 8;
  two.wants = 8;
  const now = run([one, two], 1_000_000, 6000);
  table.leave(one.id);
  two.beat(now);
  t.equal(two.limit, 8);
});

t.test('a call that arrives late, after a newer one, changes nothing', async (t) => {
  const table = new LeaseTable();
  const [one] = fleet(1, table, 10);
  if (one === undefined) throw new Error('there is one');
  one.wants = 10;
  const late = one.call();
  const now = run([one], 1_000_000, 5000);
  t.same(table.beat(late, now), { share: 10, peers: 1, calm: false });
  t.equal(table.members.get(one.id)?.held, 10);
});

for (const how of ['was silent', 'has lost its memory'] as const)
  t.test(`after a Redis that ${how} nobody gets more before all are back`, async (t) => {
    const table = new LeaseTable();
    const members = fleet(20, table, 100);
    for (const member of members) member.wants = 5;
    let now = run(members, 1_000_000, 6000);
    // All have fallen back to the even share, and one would have all of it.
    if (how === 'has lost its memory') table.forget();
    now += how === 'was silent' ? 30_000 : 1000;
    const [one, ...others] = members;
    if (one === undefined) throw new Error('there are twenty');
    one.wants = 100;
    now = run([one], now, 4000);
    t.equal(one.limit, 5, 'the first that is back keeps what it has');
    const newcomer = new Member('new', table, 100);
    newcomer.wants = 5;
    now = run([one, newcomer], now, 1000);
    t.equal(newcomer.limit, 0, 'and a new one has to wait');
    now = run(members, now, 6000);
    t.ok(sum(members, (each) => each.limit) + newcomer.limit <= 100);
    for (const other of others) other.wants = 1;
    run([...members, newcomer], now, 3000);
    t.ok(one.limit > 70, `then it is as ever: ${one.limit}`);
  });

t.test('those that do not come back are waited for no longer than a lease lasts', async (t) => {
  const table = new LeaseTable();
  const members = fleet(5, table, 50);
  for (const member of members) member.wants = 10;
  const now = run(members, 1_000_000, 6000);
  table.forget();
  const [one] = members;
  if (one === undefined) throw new Error('there are five');
  one.wants = 50;
  const later = run([one], now, TTL);
  t.equal(one.limit, 10);
  run([one], later, 1000);
  t.equal(one.limit, 50);
});

t.test(
  'with more sidecars than connections the first ones that want some have one each, and nobody has two',
  async (t) => {
    const table = new LeaseTable();
    const members = fleet(8, table, 5);
    for (const member of members) member.wants = 3;
    run(members, 1_000_000, 8000);
    t.equal(
      sum(members, (each) => each.limit),
      5,
    );
    t.ok(members.every((each) => each.limit <= 1));
  },
);
