import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';
import { CertificateAuthority } from '../certificate-authority.ts';

const authority = await CertificateAuthority.create('test CA');
const one = await authority.issue('one');
const other = await authority.issue('other');

/** The problems of a configuration beside these files, where `$D` is their directory. */
function problemsOf(t: Test, yaml: string): string[] {
  const directory = t.testdirName;
  const file = join(directory, 'c.yaml');
  t.testdir({
    'c.yaml': yaml.replaceAll('$D', directory),
    'ca.pem': `some words\n${authority.cert}`,
    'one.pem': one.cert,
    'one.key': one.key,
    'other.key': other.key,
    'empty.pem': '',
    'torn.pem': one.cert.slice(0, 300),
    'torn.key': one.key.slice(0, 60),
  });
  try {
    loadConfig({ file, env: {}, flags: [] });
  } catch (error) {
    if (error instanceof ConfigProblems) return error.lines.map((line) => line.replaceAll(`${directory}/`, ''));
    throw error;
  }
  return [];
}

t.test('files that can be used are no problem', async (t) => {
  t.same(problemsOf(t, 'defaults: { tls: { ca: $D/ca.pem, cert: $D/one.pem, key: $D/one.key } }'), []);
});

t.test('a file that is not there is told with its setting, its path and the reason', async (t) => {
  t.same(problemsOf(t, 'defaults:\n  tls:\n    ca: $D/none.pem\n'), [
    'c.yaml:3:5: defaults.tls.ca is of no use: none.pem cannot be read: ENOENT',
  ]);
});

t.test('a file of which no use can be made is told, and nothing of what is in it', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['ca: $D/empty.pem', /tls\.ca is of no use: empty\.pem has no certificate in PEM form$/],
    ['ca: $D/one.key', /tls\.ca is of no use: one\.key has no certificate in PEM form$/],
    ['ca: $D/torn.pem', /tls\.ca is of no use: torn\.pem cannot be used: /],
    ['cert: $D/torn.pem, key: $D/one.key', /tls\.cert is of no use: torn\.pem cannot be used: /],
    ['cert: $D/one.pem, key: $D/torn.key', /tls\.key is of no use: torn\.key cannot be used: /],
    ['cert: $D/one.pem, key: $D/other.key', /tls\.key is of no use: other\.key cannot be used: .*mismatch/],
    ['ca: $D, cert: $D/one.pem, key: $D/one.key', /tls\.ca is of no use: .* cannot be read: EISDIR/],
  ];
  for (const [tls, expected] of cases) {
    const lines = problemsOf(t, `defaults: { tls: { ${tls} } }`);
    t.match(lines, [expected], tls);
    t.equal(lines.length, 1);
    for (const line of [one.key, other.key, one.cert].flatMap((pem) => pem.split('\n').slice(1, 3)))
      t.notMatch(lines.join(), line.slice(0, 20));
  }
});

t.test('a problem is told where its setting is written, and once', async (t) => {
  const inherited = 'defaults: { tls: { ca: $D/none.pem } }\ndestinations: [{ match: a }, { match: b }]';
  t.match(problemsOf(t, inherited), [/defaults\.tls\.ca/]);
  t.equal(problemsOf(t, inherited).length, 1);
  t.match(problemsOf(t, 'destinations: [{ match: a }, { match: b, tls: { ca: $D/none.pem } }]'), [
    /destinations\[1\]\.tls\.ca is of no use/,
  ]);
  t.match(problemsOf(t, 'defaults: { tls: { ca: relative, cert: $D/none.pem } }'), [
    /defaults\.tls\.ca is "relative": must be an absolute path/,
    /needs defaults\.tls\.key/,
  ]);
});
