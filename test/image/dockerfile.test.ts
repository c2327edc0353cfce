import { readFileSync, statSync } from 'node:fs';
import { test } from 'tap';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const { version, devDependencies } = JSON.parse(read('package.json'));
const dockerfile = read('Dockerfile');

/** The value of an argument of the build that nobody gives. */
const argument = (name: string): string | undefined => new RegExp(`^ARG ${name}=(.*)$`, 'm').exec(dockerfile)?.[1];

/** What the build stage copies from the project. */
const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '));

test('the image has the version of Node that everything is tested with', async (t) => {
  t.equal(argument('BASE'), `docker.io/library/node:${devDependencies.node}-bookworm-slim`);
});

test('an image built without arguments carries the version of the package', async (t) => {
  t.equal(argument('VERSION'), version);
});

test('what the Dockerfile copies is sent to the build, and nothing else', async (t) => {
  const [everything, ...sent] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.equal(everything, '*');
  t.same(sent.sort(), copied.map((path) => `!${path}`).sort());
});

test('an image is built anew when anything changes that is in it', async (t) => {
  const inputs = /^ {2}find (.*) -type f/m.exec(read('image/make.sh'))?.[1]?.split(' ') ?? [];
  for (const path of [...copied, 'Dockerfile', '.dockerignore']) {
    const folder = path.split('/')[0] ?? '';
    t.ok(inputs.includes(path) || inputs.includes(folder), path);
  }
});

test('the scripts of the image can be run', async (t) => {
  for (const name of ['make.sh', 'base.sh', 'gather.sh']) {
    const { mode } = statSync(new URL(`../../image/${name}`, import.meta.url));
    t.equal(mode & 0o111, 0o111, name);
  }
});
