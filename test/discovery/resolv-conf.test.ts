import t from 'tap';
import { clusterDomain, parseResolvConf, searchCandidates } from '../../src/discovery/resolv-conf.ts';

t.test('an empty resolv.conf is what libc makes of it', async (t) => {
  t.same(parseResolvConf(''), {
    nameservers: ['127.0.0.1'],
    search: [],
    ndots: 1,
    timeoutMs: 5_000,
    attempts: 2,
    rotate: false,
    noAaaa: false,
  });
});

t.test('what the kubelet writes is read', async (t) => {
  const conf = parseResolvConf(
    'search shop.svc.cluster.local svc.cluster.local cluster.local eu-west-1.compute.internal\n' +
      'nameserver 10.96.0.10\noptions ndots:5 timeout:2 attempts:3 rotate no-aaaa edns0\n',
  );
  t.match(conf, { nameservers: ['10.96.0.10'], ndots: 5, timeoutMs: 2_000, attempts: 3, rotate: true, noAaaa: true });
  t.equal(conf.search.length, 4);
});

t.test('comments, odd spacing and what is not understood are passed over', async (t) => {
  const conf = parseResolvConf(
    '# nameserver 1.1.1.1\n;nameserver 1.1.1.2\r\n\n  nameserver\t10.0.0.1 # first\nnameserver nonsense\n' +
      'nameserver 999.1.1.1\nsortlist 130.155.160.0\nsearch a.corp. B.Corp # c.corp\noptions\noptions ndots:x foo:1\n',
  );
  t.match(conf, { nameservers: ['10.0.0.1'], search: ['a.corp', 'b.corp'], ndots: 1 });
});

t.test('three nameservers count, with or without a port', async (t) => {
  const lines = ['10.0.0.1', '127.0.0.1:5353', '[::1]:5353', 'fd00::1'].map((server) => `nameserver ${server}`);
  t.same(parseResolvConf(lines.join('\n')).nameservers, ['10.0.0.1', '127.0.0.1:5353', '[::1]:5353']);
  t.same(parseResolvConf('nameserver fd00::1').nameservers, ['fd00::1']);
  for (const bad of ['127.0.0.1:0', '127.0.0.1:65536', '[127.0.0.1]:53', '[::1]', 'host:53', '::1:x'])
    t.same(parseResolvConf(`nameserver ${bad}`).nameservers, ['127.0.0.1'], bad);
});

t.test('the last of search and domain wins', async (t) => {
  t.same(parseResolvConf('search a b\ndomain c d').search, ['c']);
  t.same(parseResolvConf('domain c\nsearch a b').search, ['a', 'b']);
});

t.test('numbers are held within the limits of libc', async (t) => {
  t.match(parseResolvConf('options ndots:99 timeout:99 attempts:99'), { ndots: 15, timeoutMs: 30_000, attempts: 5 });
  t.match(parseResolvConf('options ndots:0 timeout:0 attempts:0'), { ndots: 0, timeoutMs: 1_000, attempts: 1 });
});

t.test('candidates come in the order of ndots', async (t) => {
  const conf = { search: ['x.y', 'z'], ndots: 2 };
  t.same(searchCandidates('a', conf), ['a.x.y', 'a.z', 'a']);
  t.same(searchCandidates('a.b', conf), ['a.b.x.y', 'a.b.z', 'a.b']);
  t.same(searchCandidates('a.b.c', conf), ['a.b.c', 'a.b.c.x.y', 'a.b.c.z']);
  t.same(searchCandidates('a.', conf), ['a']);
  t.same(searchCandidates('a.b.', conf), ['a.b']);
  t.same(searchCandidates('a', { search: [], ndots: 5 }), ['a']);
  t.same(
    searchCandidates('a', { search: ['', 'x'], ndots: 5 }),
    ['a', 'a.x'],
    'the root in the list is the name itself',
  );
});

t.test('a candidate that is too long for DNS is left out', async (t) => {
  const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}`;
  t.same(searchCandidates(name, { search: ['shop.svc.cluster.local'], ndots: 5 }), [name]);
});

t.test('the cluster domain is what follows svc. in the search list', async (t) => {
  t.equal(clusterDomain({ search: ['shop.svc.k8s.corp', 'svc.k8s.corp', 'k8s.corp'] }), 'k8s.corp');
  t.equal(clusterDomain({ search: ['corp'] }), 'cluster.local');
  t.equal(clusterDomain({ search: [] }), 'cluster.local');
});
