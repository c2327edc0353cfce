import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import t from 'tap';
import { ImageArchive, noImage } from './image-archive.ts';

const skip = noImage();
const image = skip === false ? new ImageArchive() : null;
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** @throws where the test was to be skipped */
function theImage(): ImageArchive {
  if (image === null) throw new Error('no image');
  return image;
}

t.test('the image has these programs and nothing else that can be run, above all no shell', { skip }, async (t) => {
  const files = theImage()
    .entries()
    .filter(({ kind }) => kind === 'file');
  const programs = files.filter(({ mode, path }) => mode.includes('x') && !/^lib|^usr\/lib/.test(path));
  t.same(programs.map(({ path }) => path).sort(), ['bin/sleep', 'usr/bin/node', 'usr/local/bin/carpool']);
  const rest = files.filter((file) => !programs.includes(file)).map(({ path }) => path);
  t.same(
    rest
      .filter((path) => !/^(usr\/)?lib(64)?\/([\w-]+\/)?[\w+-]+\.so[.\d]*$|^usr\/share\/doc\/|^app\/cache\//.test(path))
      .sort(),
    [
      'app/LICENSE',
      'app/LICENSES.txt',
      'app/carpool.js',
      'app/package.json',
      'app/tracing.js',
      'app/webhook.js',
      'etc/group',
      'etc/nsswitch.conf',
      'etc/passwd',
      'etc/ssl/certs/ca-certificates.crt',
    ],
  );
});

t.test('everything belongs to root, and nobody else can write it', { skip }, async (t) => {
  const entries = theImage().entries();
  t.ok(entries.length > 20, `${entries.length} entries`);
  t.same(
    entries.filter(({ kind }) => kind === 'other'),
    [],
    'no links, no devices',
  );
  t.same(
    entries.filter(({ owner }) => owner !== '0/0'),
    [],
  );
  t.same(
    entries.filter(({ mode }) => /s/i.test(mode)),
    [],
    'no setuid, no setgid',
  );
  const writable = entries.filter(({ mode }) => mode[4] === 'w' || mode[7] === 'w');
  t.same(
    writable.map(({ path, mode }) => `${path} ${mode}`),
    ['tmp/ rwxrwxrwt'],
  );
  t.same(
    entries.filter(({ mode }) => mode[6] !== 'r'),
    [],
    'any user can read all of it',
  );
});

t.test('the image starts carpool as a user without rights, and says what it is', { skip }, async (t) => {
  const { config, architecture, rootfs } = theImage().config;
  t.equal(config.User, '65532:65532');
  t.same(config.Entrypoint, ['/usr/bin/node', '/app/carpool.js']);
  t.same(config.Cmd, ['run']);
  t.equal(architecture, process.arch === 'x64' ? 'amd64' : process.arch);
  t.equal(rootfs.diff_ids.length, 1, 'one layer: nothing that a later one deletes');
  t.match(config.Labels, {
    'org.opencontainers.image.title': 'carpool',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
  });
  t.match(theImage().read('etc/passwd'), /^carpool:x:65532:65532:/m);
});

t.test('it trusts the public roots of Node and nobody whom only the building machine trusts', { skip }, async (t) => {
  const found = theImage()
    .read('etc/ssl/certs/ca-certificates.crt')
    .match(/-----BEGIN.*?END CERTIFICATE-----/gs);
  const bundled = getCACertificates('bundled').map((pem) => pem.trim());
  t.ok(bundled.length > 100);
  t.same(found, bundled);
});

t.test('nothing of the build is left: no source map, no configuration of npm, no path', { skip }, async (t) => {
  const paths = theImage()
    .entries()
    .map(({ path }) => path);
  t.same(
    paths.filter((path) => /\.map$|npm|node_modules|^root|^home|^run|^var/.test(path)),
    [],
  );
});
