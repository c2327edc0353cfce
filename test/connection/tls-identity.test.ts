import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TlsIdentity } from '../../src/connection/tls-identity.ts';
import type { CarpoolEvent } from '../../src/observer.ts';
import { CertificateAuthority } from '../certificate-authority.ts';
import { TestClock } from '../test-clock.ts';

const authority = await CertificateAuthority.create('test CA');
const other = await CertificateAuthority.create('other CA');

function identityIn(t: Test) {
  const directory = t.testdir({ 'ca.pem': authority.cert });
  const ca = join(directory, 'ca.pem');
  const clock = new TestClock();
  const events: CarpoolEvent[] = [];
  const policy = { originate: true, ca, cert: null, key: null, serverName: null, minVersion: 'TLSv1.2' } as const;
  const identity = new TlsIdentity('api.test:443', 'api.test', policy, clock, { emit: (event) => events.push(event) });
  return { identity, clock, events, ca };
}

t.test(
  'sessions are used newest first, each once while there is another, and the last one again and again',
  async (t) => {
    const lane = identityIn(t).identity.lane('http1');
    const { keepSession, session } = lane.target();
    t.equal(session, null);
    const kept = ['a', 'b', 'c'].map((name) => Buffer.from(name));
    for (const each of kept) keepSession(each);
    t.same(
      [1, 2, 3, 4].map(() => String(lane.target().session)),
      ['c', 'b', 'a', 'a'],
    );
  },
);

t.test('a server cannot make carpool keep sessions without bound', async (t) => {
  const lane = identityIn(t).identity.lane('http1');
  const { keepSession } = lane.target();
  for (let index = 0; index < 1000; index++) keepSession(Buffer.from(String(index)));
  const given = new Set(Array.from({ length: 1000 }, () => String(lane.target().session)));
  t.same([...given], ['999', '998', '997', '996', '995', '994', '993', '992']);
});

t.test('a session belongs to its offer and its files: another lane, or another CA, has none of it', async (t) => {
  const { identity, clock, ca, events } = identityIn(t);
  const lane = identity.lane('http1');
  const before = lane.target();
  before.keepSession(Buffer.from('session'));
  t.equal(identity.lane('negotiate').target().session, null);
  t.equal(identity.lane('http2').target().session, null);
  writeFileSync(ca, `${authority.cert}${other.cert}`);
  clock.advance(1000);
  const after = lane.target();
  t.not(after.context, before.context);
  t.equal(after.session, null);
  before.keepSession(Buffer.from('late'));
  t.equal(lane.target().session, null, 'what a connection of before still gives is not kept');
  t.same(events, [{ type: 'tls_files_changed', destination: 'api.test:443' }]);
});

t.test('what is offered goes by the lane', async (t) => {
  const { identity } = identityIn(t);
  const offer = (lane: 'http1' | 'http2' | 'negotiate') => Buffer.from(identity.lane(lane).target().alpn).toString();
  t.equal(offer('http1'), '\x08http/1.1');
  t.equal(offer('http2'), '\x02h2');
  t.equal(offer('negotiate'), '\x02h2\x08http/1.1');
  t.same(
    [identity.lane('http1').must, identity.lane('http2').must, identity.lane('negotiate').must],
    [null, 'h2', null],
  );
});
