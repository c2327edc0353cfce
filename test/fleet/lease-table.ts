/** The division of one budget as src/fleet/lease-script.ts does it in Redis, in TypeScript: one table, and its calls. */

export type Beat = {
  readonly id: string;
  readonly seq: number;
  readonly ttl: number;
  readonly budget: number;
  readonly minShare: number;
  /** What the sidecar allows itself, and what it has open. */
  readonly limit: number;
  readonly held: number;
  readonly fast: number;
  readonly slow: number;
  /** How many sidecars there were by what it heard last; 0: it knows nothing. */
  readonly known: number;
  readonly silence: number;
};

export type Answer = { readonly share: number; readonly peers: number; readonly calm: boolean };

type Member = Pick<Beat, 'seq' | 'ttl' | 'limit' | 'held' | 'fast' | 'slow'> & { seen: number; granted: number };

/** How long a table that begins gives nobody more than it has. */
const CALM_MS = 3000;

export class LeaseTable {
  readonly members = new Map<string, Member>();
  #last: number | null = null;
  #calm = 0;
  #expected = 0;

  /** What is reserved for the sidecars that are heard of. */
  reserved(): number {
    return [...this.members.values()].reduce((sum, member) => sum + reservedFor(member), 0);
  }

  leave(id: string): void {
    this.members.delete(id);
  }

  /** As a Redis that was started anew, without its data. */
  forget(): void {
    this.members.clear();
    this.#last = null;
    this.#calm = 0;
    this.#expected = 0;
  }

  beat(beat: Beat, now: number): Answer {
    const { id, budget, limit, held, fast, slow, seq, ttl } = beat;
    const own = this.members.get(id);
    if (own !== undefined && seq <= own.seq) return { share: own.granted, peers: this.members.size, calm: false };
    this.#listen(beat, now);
    const member: Member = { seq, seen: now, ttl, limit, held, granted: own?.granted ?? 0, fast, slow };
    this.members.set(id, member);
    for (const [name, each] of this.members) {
      each.seen = Math.min(each.seen, now);
      if (each.seen + each.ttl < now) this.members.delete(name);
    }
    const ids = [...this.members.keys()].sort();
    const calm =
      this.#calm > 0 && (now - this.#calm < CALM_MS || (ids.length < this.#expected && now - this.#calm < ttl));
    if (!calm) {
      this.#calm = 0;
      this.#expected = 0;
    }
    const peers = Math.max(ids.length, this.#expected);
    const least = Math.min(beat.minShare, Math.floor(budget / peers));
    const free = budget - this.reserved() + reservedFor(member);
    if (calm) {
      const start = ids.length < this.#expected ? 0 : Math.max(0, Math.min(least, free));
      member.granted = Math.min(budget, Math.max(limit, start));
    } else {
      const target = this.#targets(ids, budget, least)[ids.indexOf(id)] ?? 0;
      member.granted = target <= limit ? target : Math.max(limit, Math.min(target, free));
    }
    this.#last = now;
    return { share: member.granted, peers, calm };
  }

  #listen({ silence, known }: Beat, now: number): void {
    const last = this.#last;
    if (last === null || now - last > silence) {
      this.#calm = now;
      this.#expected = 0;
      for (const each of this.members.values()) if (last !== null && each.seen + each.ttl >= last) this.#expected++;
    }
    if (this.#calm > 0) this.#expected = Math.max(this.#expected, known);
  }

  #targets(ids: readonly string[], budget: number, least: number): number[] {
    const members = ids.map((id) => this.members.get(id));
    const first = fill(
      members.map((each) => Math.max(0, Math.min(each?.fast ?? 0, budget) - least)),
      budget - ids.length * least,
    );
    const second = fill(
      members.map((each, i) => Math.max(0, Math.min(each?.slow ?? 0, budget) - least - (first.got[i] ?? 0))),
      first.rest,
    );
    return ids.map((_, i) => least + (first.got[i] ?? 0) + (second.got[i] ?? 0));
  }
}

function reservedFor({ limit, held, granted }: Member): number {
  return Math.max(limit, held, granted);
}

/** Max-min fairness: nobody gets more than he wishes, and who gets less gets no less than anybody else. */
export function fill(wishes: readonly number[], budget: number): { got: number[]; rest: number } {
  let rest = budget;
  let left = wishes.length;
  let level = Number.POSITIVE_INFINITY;
  for (const wish of wishes.toSorted((a, b) => a - b)) {
    if (wish * left > rest) {
      level = Math.floor(rest / left);
      rest -= level * left;
      break;
    }
    rest -= wish;
    left--;
  }
  const got = wishes.map((wish) => {
    const some = Math.min(wish, level);
    if (some >= wish || rest <= 0) return some;
    rest--;
    return some + 1;
  });
  return { got, rest };
}
