import t from 'tap';
import { BALANCERS } from '../../src/config/choices.ts';
import { Choice } from '../../src/pool/choice.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { Rotation } from '../../src/pool/rotation.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import { TestClock } from '../test-clock.ts';
import { loneEndpoint, seededRandom } from './pool-fixture.ts';

const NOBODY: readonly EndpointPool[] = [];

for (const name of BALANCERS) {
  const world = () => {
    const clock = new TestClock();
    const rotation = new Rotation();
    const endpoints = [0, 1, 2].map((index) => {
      const endpoint = loneEndpoint(clock, `e${index}`);
      endpoint.spec = { ...endpoint.spec, port: 1000 + index };
      return endpoint;
    });
    const choice = new Choice(rotation, makeBalancer(name, seededRandom(1)));
    rotation.update(endpoints);
    let key = 0;
    /** How often each is picked; keys differ from one to the next. */
    const picks = (tried = NOBODY, count = 300): number[] => {
      const counts = [0, 0, 0];
      for (let index = 0; index < count; index++) {
        const picked = choice.pick(tried, clock.now(), Math.imul(key++, 0x9e3779b1) >>> 1);
        const at = picked === null ? -1 : endpoints.indexOf(picked);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      return counts;
    };
    const [a, b, c] = endpoints;
    if (a === undefined || b === undefined || c === undefined) throw new Error('none');
    return { clock, rotation, endpoints, choice, picks, a, b, c };
  };

  t.test(`${name}: an ejected endpoint gets nothing, and on trial one request at a time`, async (t) => {
    const { clock, rotation, endpoints, picks, b } = world();
    b.health.eject('failures', 1000);
    rotation.update(endpoints);
    t.equal(picks()[1], 0);
    clock.advance(1000);
    b.health.expire(clock.now(), b.outstanding);
    rotation.update(endpoints);
    t.ok((picks()[1] ?? 0) > 0, 'it is tried');
    b.dialing = 1;
    t.equal(picks()[1], 0, 'not while it is dialled for the trial');
    b.dialing = 0;
    b.exchanges = 1;
    t.equal(picks()[1], 0, 'nor while the trial runs');
    b.exchanges = 0;
    t.ok((picks()[1] ?? 0) > 0, 'and again, where that told nothing');
  });

  t.test(`${name}: what ran at an endpoint before its trial is no trial`, async (t) => {
    const { clock, rotation, endpoints, picks, a, b, c } = world();
    b.exchanges = 2;
    for (const other of [a, c]) other.exchanges = 3;
    b.health.eject('failures', 1000);
    clock.advance(1000);
    b.health.expire(clock.now(), b.outstanding);
    rotation.update(endpoints);
    t.ok((picks()[1] ?? 0) > 0);
    b.exchanges = 1;
    t.ok((picks()[1] ?? 0) > 0);
    b.exchanges = 2;
    t.equal(picks()[1], 0, 'one of them is the trial now');
  });

  t.test(`${name}: a doubted endpoint is left alone for its time while there are others`, async (t) => {
    const { clock, picks, a, b, c } = world();
    b.health.doubt('failures');
    t.equal(picks()[1], 0);
    t.equal(picks([a])[1], 0, 'nor does a retry go there');
    t.equal(picks([a, c])[1], 0, 'which rather goes where it was before');
    clock.advance(1000);
    t.ok((picks()[1] ?? 0) > 0);
    a.health.doubt('failures');
    c.health.doubt('connect');
    b.health.doubt('failures');
    t.ok(
      picks().every((count) => count > 0),
      'where something speaks against all of them, all are used',
    );
  });

  t.test(`${name}: one that refused connects is never tried by a request`, async (t) => {
    const { clock, picks, b } = world();
    b.health.doubt('connect');
    clock.advance(60_000);
    t.equal(picks()[1], 0);
  });
}
