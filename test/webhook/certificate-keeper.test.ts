import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import { readCertificates } from '../../src/webhook/serving-pair.ts';
import { DAY, LIFETIME, makeKeepers, NAMES } from './keeper-fixture.ts';
import { CONFIGURATION, SECRET } from './objects-api.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const count = (pem: string): number => readCertificates(pem)?.length ?? -1;

t.test('an empty Secret is filled, the bundles of our webhooks get the CA, then it is served', async (t) => {
  const { api, first } = await makeKeepers(t);
  await first.look();
  t.same(first.told, ['serve made', 'fine']);
  t.equal(api.bundle(), api.held('ca.crt'));
  t.equal(api.bundle('pod.inject.carpool.dev'), api.held('ca.crt'));
  t.equal(api.bundle('else.example'), 'other', "another's webhook is left alone");
  t.equal(api.webhooks()[0]?.timeoutSeconds, 5, 'and so is the rest of ours');
  t.same(
    api.calls.filter(({ method }) => method === 'PATCH').map(({ path }) => path),
    [SECRET, CONFIGURATION],
    'in this order',
  );
  t.equal(first.served[0]?.cert, api.held('tls.crt'));
});

t.test('the certificate is for all names of the Service, and of a CA that may sign nothing below it', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  const leaf = new X509Certificate(api.held('tls.crt'));
  const ca = new X509Certificate(api.held('ca.crt'));
  for (const name of NAMES) t.equal(leaf.checkHost(name), name);
  t.equal(leaf.checkHost('other.system.svc'), undefined);
  t.ok(leaf.verify(ca.publicKey) && ca.ca && !leaf.ca);
  t.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  const second = Math.floor(clock.wall() / 1000) * 1000;
  t.equal(leaf.validFromDate.getTime(), second - 3_600_000, 'from an hour ago');
  t.equal(leaf.validToDate.getTime(), second + LIFETIME);
});

t.test('a Secret that is in order is served as it is, by each replica', async (t) => {
  const { api, replicas } = await makeKeepers(t, 3);
  for (const replica of replicas) await replica.look();
  t.same(
    replicas.map(({ told }) => told),
    [
      ['serve made', 'fine'],
      ['serve adopted', 'fine'],
      ['serve adopted', 'fine'],
    ],
  );
  t.equal(api.count('PATCH', SECRET), 1);
  t.equal(api.count('PATCH', CONFIGURATION), 1);
});

t.test('of replicas that make one at the same time, those who come second take the first one', async (t) => {
  const { api, replicas } = await makeKeepers(t, 4);
  await Promise.all(replicas.map((replica) => replica.look()));
  t.equal(replicas.flatMap(({ told }) => told).filter((each) => each === 'serve made').length, 1);
  t.equal(new Set(replicas.map(({ served }) => served[0]?.fingerprint)).size, 1, 'all serve the same');
  t.equal(count(api.bundle()), 1);
});

t.test('at two thirds of its lifetime a certificate is renewed, and served when API servers know its CA', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  const old = api.held('ca.crt');
  clock.jumpWall((LIFETIME * 2) / 3 - DAY);
  await first.look();
  t.same(first.told.slice(2), ['fine'], 'a day before: nothing');
  clock.jumpWall(4 * DAY);
  await first.look();
  t.same(first.told.slice(3), ['fine'], 'it is made, and not yet served');
  t.not(api.held('ca.crt'), old);
  t.same(
    readCertificates(api.bundle())
      ?.map((each) => each.fingerprint256)
      .sort(),
    [old, api.held('ca.crt')].map((pem) => new X509Certificate(pem).fingerprint256).sort(),
    'the bundle has both CAs',
  );
  clock.advance(9_000);
  t.equal(first.served.length, 1);
  clock.advance(1_000);
  t.equal(first.told.at(-1), 'serve made');
  t.equal(first.served[1]?.cert, api.held('tls.crt'));
});

t.test('who renews it leaves the CA of the others in the bundle, who serve theirs until they look', async (t) => {
  const { api, replicas, clock } = await makeKeepers(t, 2);
  const [first, second] = replicas;
  await first?.look();
  const old = api.held('ca.crt');
  clock.jumpWall((LIFETIME * 2) / 3 + 3 * DAY);
  await second?.look();
  t.same(second?.told, ['serve made', 'fine'], 'it has served nothing yet');
  t.equal(count(api.bundle()), 2);
  t.ok(api.bundle().includes(old.trim()));
});

t.test('an old CA leaves the bundle when it has expired', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  clock.jumpWall((LIFETIME * 2) / 3 + 3 * DAY);
  await first.look();
  clock.advance(10_000);
  t.equal(count(api.bundle()), 2);
  clock.jumpWall(LIFETIME / 3);
  await first.look();
  t.equal(api.bundle().trim(), api.held('ca.crt').trim());
});

t.test('a Secret that holds something else is made anew, whatever is wrong with it', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  const now = clock.wall();
  const expired = await makeCertificates(NAMES, now - 2 * DAY, DAY);
  const early = await makeCertificates(NAMES, now + 2 * DAY, DAY);
  const elsewhere = await makeCertificates(['other.system.svc'], now, LIFETIME);
  const other = await makeCertificates(NAMES, now, LIFETIME);
  const data = (made: typeof other) => ({
    'tls.crt': base64(made.cert),
    'tls.key': base64(made.key),
    'ca.crt': base64(made.ca),
  });
  for (const [what, wrong] of [
    ['empty', { 'tls.crt': '', 'tls.key': '', 'ca.crt': '' }],
    ['no certificate', { 'tls.crt': base64('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----') }],
    ['no key', { 'tls.key': base64('secret') }],
    ["another's key", { 'tls.key': base64(other.key) }],
    ["another's CA", { 'ca.crt': base64(other.ca) }],
    ['expired', data(expired)],
    ['not yet valid', data(early)],
    ['for another name', data(elsewhere)],
  ] as const) {
    api.change(SECRET, { data: wrong });
    const before = api.held('tls.crt');
    await first.look();
    t.equal(first.told.at(-1), 'fine', what);
    t.not(api.held('tls.crt'), before, `${what}: another was made`);
    t.ok(new X509Certificate(api.held('tls.crt')).verify(new X509Certificate(api.held('ca.crt')).publicKey));
  }
  api.change(SECRET, { data: data(other) });
  await first.look();
  t.equal(api.held('tls.crt'), other.cert, 'a good one of somebody else is taken as it is');
});

t.test('a bundle that was emptied or broken is mended at the next look, a minute later', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  const [namespace, pod, other] = api.webhooks();
  for (const caBundle of ['', base64('no certificate')]) {
    const broken = { ...namespace, clientConfig: { service: { name: 'hook', namespace: 'system' }, caBundle } };
    api.change(CONFIGURATION, { webhooks: [broken, pod, other] });
    const before = first.told.length;
    clock.advance(66_000);
    await first.until(() => first.told.length > before);
    t.equal(api.bundle(), api.held('ca.crt'));
    // The next look is set for when this one has ended.
    await new Promise((resolve) => setImmediate(resolve));
  }
});

t.test('who forbids it is told which right is missing, and what is served stays', async (t) => {
  const { api, first } = await makeKeepers(t);
  const lift = api.fault('PATCH', CONFIGURATION, { status: 403 });
  await first.look();
  t.equal(first.told[0], 'serve made', 'nothing else is there to serve');
  t.match(
    first.told[1],
    /forbids changing MutatingWebhookConfiguration hook \(403\).* \| Allow get and patch on mutatingwebhookconfigurations\.admissionregistration\.k8s\.io hook by a ClusterRole/,
  );
  lift();
  const again = api.fault('GET', SECRET, { status: 403 });
  await first.look();
  t.match(
    first.told[2],
    /forbids reading Secret hook-certificate in namespace system .* \| Allow get and patch on the Secret hook-certificate by a Role in namespace system/,
  );
  again();
  await first.look();
  t.equal(first.told.at(-1), 'fine');
  t.equal(first.served.length, 1);
});

t.test('a certificate that API servers do not trust yet replaces none that they do', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  await first.look();
  clock.jumpWall((LIFETIME * 2) / 3 + 3 * DAY);
  const lift = api.fault('PATCH', CONFIGURATION, { status: 500 });
  await first.look();
  t.equal(clock.waiting, 1, 'only the next look is waited for');
  lift();
  await first.look();
  t.equal(first.served.length, 1);
  clock.advance(10_000);
  t.equal(first.served.length, 2);
});

t.test('one that is due and cannot be written goes on until it expires', async (t) => {
  const { api, replicas, clock } = await makeKeepers(t, 2);
  const [first, second] = replicas;
  await first?.look();
  clock.jumpWall((LIFETIME * 2) / 3 + 3 * DAY);
  api.fault('PATCH', SECRET, { status: 503 });
  await second?.look();
  t.equal(second?.told[0], 'serve adopted');
  t.match(second?.told[1], /failed changing Secret/);
});

t.test('tries come after a back-off while the API server is away, then all is well', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  const lift = api.fault('GET', SECRET, { status: 500 });
  await first.look();
  t.match(first.told, [/failed reading Secret/]);
  t.equal(clock.waiting, 1, 'one timer');
  clock.advance(1_400);
  t.equal(api.count('GET', SECRET), 1);
  clock.advance(200);
  await first.until(() => first.told.length === 2);
  lift();
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(3_100);
  await first.until(() => first.told.length === 4);
  t.same(first.told.slice(2), ['serve made', 'fine']);
});

t.test('a call without an answer is given up after ten seconds', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  api.fault('GET', SECRET, { hang: true }, 1);
  first.keeper.start();
  await api.until(() => api.count('GET', SECRET) === 1);
  clock.advance(10_000);
  await first.until(() => first.told.length === 1);
  t.match(first.told[0], /no answer from the API server .*timed out/);
});

t.test('a token that was renewed is read again when the old one is refused', async (t) => {
  const { api, first } = await makeKeepers(t);
  await first.look();
  api.token = 'another';
  writeFileSync(first.tokenFile, 'another');
  await first.look();
  t.equal(first.told.at(-1), 'fine');
  t.same(
    api.calls.slice(-3).map(({ token }) => token),
    ['a-token', 'another', 'another'],
  );
});

t.test('somebody who writes at the same time is no failure', async (t) => {
  const { api, first } = await makeKeepers(t);
  api.fault('PATCH', SECRET, { before: () => api.change(SECRET, { metadata: { labels: { a: 'b' } } }) }, 1);
  api.fault(
    'PATCH',
    CONFIGURATION,
    { before: () => api.change(CONFIGURATION, { metadata: { labels: { a: 'b' } } }) },
    1,
  );
  await first.look();
  t.same(first.told, ['serve made', 'fine']);
  t.equal(api.count('PATCH', SECRET), 2);
  t.equal(api.count('PATCH', CONFIGURATION), 2);
  const endless = api.fault('GET', CONFIGURATION, { before: () => api.change(CONFIGURATION, { webhooks: [] }) });
  await first.look();
  t.match(first.told.at(-1), /has no webhook that calls this Service \| Look at --webhook-configuration/);
  endless();
});

t.test('nothing is told after it was stopped', async (t) => {
  const { api, first, clock } = await makeKeepers(t);
  first.keeper.start();
  await api.until(() => api.count('GET', SECRET) === 1);
  first.keeper.stop();
  await api.until(() => api.count('GET', CONFIGURATION) === 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  clock.advance(120_000);
  t.same(first.told, []);
  t.equal(clock.waiting, 0);
});
