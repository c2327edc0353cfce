import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import t, { type Test } from 'tap';
import type { Timer } from '../../src/clock.ts';
import { watchedDirectories } from '../../src/config/file-watch.ts';
import { configLoader, loadConfig } from '../../src/config/load.ts';
import { ConfigWatcher } from '../../src/config/reload.ts';
import { TestClock } from '../test-clock.ts';

// A watch does not keep the process alive (carpool's listeners do), so something of the test must.
const alive = new MessageChannel();
alive.port1.on('message', () => {});
t.teardown(() => alive.port1.close());

/** A clock that tells when somebody starts to wait, so that a test can wait for an event of the file system. */
class ToldClock extends TestClock {
  #told: (() => void) | null = null;

  override setTimer(callback: () => void, delayMs: number): Timer {
    const timer = super.setTimer(callback, delayMs);
    this.#told?.();
    this.#told = null;
    return timer;
  }

  /** Resolves when the next timer is started. */
  nextTimer(): Promise<void> {
    return new Promise((resolve) => {
      this.#told = resolve;
    });
  }
}

const yaml = (maxIdle: number | string) => `defaults: { pool: { maxIdle: ${maxIdle} } }\n`;

function start(t: Test, file: string, fileMayBeMissing = false) {
  const clock = new ToldClock();
  const told: string[] = [];
  const known = { unchanged: 0 };
  const load = configLoader({ file, fileMayBeMissing, env: {}, flags: [] });
  const watcher = new ConfigWatcher({
    file,
    loaded: load(),
    load,
    clock,
    onChanged: (loaded, _explanation, lines) =>
      told.push(`${loaded.config.defaults.pool.maxIdle}: ${lines.join(' / ')}`),
    onRefused: (problems, lines) => told.push(`refused ${problems.length}: ${lines.at(-1)}`),
    onUnchanged: () => {
      known.unchanged++;
    },
    onWarning: (message) => told.push(`warning ${message}`),
  });
  t.teardown(() => watcher.close());
  /** Makes a change and waits until the file system has told of it, then lets the quiet time pass. */
  const after = async (change: () => void): Promise<string[]> => {
    const event = clock.nextTimer();
    change();
    await event;
    clock.advance(2000);
    return told.splice(0);
  };
  return { clock, told, known, watcher, after };
}

t.test('an edit in place is seen, with what changed', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { after, watcher } = start(t, file);
  t.same(await after(() => writeFileSync(file, yaml(2))), ['2: applies at once: defaults.pool.maxIdle: 1 → 2']);
  t.equal(watcher.current.config.defaults.pool.maxIdle, 2);
  t.same(await after(() => writeFileSync(file, yaml(3))), ['3: applies at once: defaults.pool.maxIdle: 2 → 3']);
});

t.test('another file renamed over it is seen, again and again', async (t) => {
  const directory = t.testdir({ 'c.yaml': yaml(1) });
  const file = join(directory, 'c.yaml');
  const { after } = start(t, file);
  for (const maxIdle of [2, 3]) {
    writeFileSync(join(directory, 'new'), yaml(maxIdle));
    t.match(await after(() => renameSync(join(directory, 'new'), file)), [new RegExp(`^${maxIdle}: `)]);
  }
});

/** Swaps the content of a mounted ConfigMap in the order of the kubelet's atomic writer. */
function swap(directory: string, stamp: string, text: string): void {
  mkdirSync(join(directory, stamp));
  writeFileSync(join(directory, stamp, 'c.yaml'), text);
  symlinkSync(stamp, join(directory, '..data_tmp'));
  const old = readdirSync(directory).filter((name) => name.startsWith('..2026') && name !== stamp);
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  for (const name of old) rmSync(join(directory, name), { recursive: true });
}

function mount(t: Test): string {
  const directory = t.testdir({});
  swap(directory, '..2026_01_01', yaml(1));
  symlinkSync('..data/c.yaml', join(directory, 'c.yaml'));
  return directory;
}

t.test('the swap of links in a mounted ConfigMap is seen, again and again', async (t) => {
  const directory = mount(t);
  const { after } = start(t, join(directory, 'c.yaml'));
  t.match(await after(() => swap(directory, '..2026_01_02', yaml(2))), [/^2: /]);
  t.match(await after(() => swap(directory, '..2026_01_03', yaml(3))), [/^3: /]);
});

t.test('a swap is also seen by way of a link from elsewhere', async (t) => {
  const directory = mount(t);
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  symlinkSync(join(directory, 'c.yaml'), join(elsewhere, 'link.yaml'));
  const file = join(elsewhere, 'link.yaml');
  t.ok(watchedDirectories(file).has(directory));
  t.ok(watchedDirectories(file).has(join(directory, '..2026_01_01')));
  const { after } = start(t, file);
  t.match(await after(() => swap(directory, '..2026_01_02', yaml(2))), [/^2: /]);
});

t.test('links in a circle and a file that is not there end the search for directories', async (t) => {
  const directory = t.testdir({});
  symlinkSync('b', join(directory, 'a'));
  symlinkSync('a', join(directory, 'b'));
  t.ok(watchedDirectories(join(directory, 'a')).has(directory));
  t.ok(watchedDirectories(join(directory, 'none', 'c.yaml')).has(join(directory, 'none')));
});

t.test('a write in several steps is read once, when it has been quiet', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { clock, told } = start(t, file);
  let event = clock.nextTimer();
  writeFileSync(file, 'defaults: { pool: { maxIdle: [ ');
  await event;
  clock.advance(249);
  t.same(told, [], 'not yet');
  event = clock.nextTimer();
  writeFileSync(file, yaml(2));
  await event;
  clock.advance(249);
  t.same(told, [], 'the wait began anew');
  clock.advance(1);
  t.match(told, [/^2: /]);
  t.equal(clock.waiting, 1, 'only the look is left');
});

t.test('a file that is written without a pause is read all the same, 2 s after the first change', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { clock, told } = start(t, file);
  for (let write = 2; write <= 10; write++) {
    const event = clock.nextTimer();
    writeFileSync(file, yaml(write));
    await event;
    clock.advance(249);
  }
  t.match(told, [/^([2-9]|10): /]);
});

t.test('the same content again is nothing', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { after } = start(t, file);
  t.same(await after(() => writeFileSync(file, yaml(1))), []);
  t.same(
    await after(() => writeFileSync(file, `# a comment\n${yaml(1)}`)),
    [],
    'and so is another text of the same meaning',
  );
});

t.test('a bad file is refused whole and told once; the old configuration stays until a good one comes', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { after, watcher, clock, told } = start(t, file);
  t.match(await after(() => writeFileSync(file, 'defaults: { pool: { maxIdle: 9, maxAge: 5 } }\nlistner: 1\n')), [
    /^refused 2: .*c\.yaml:2:1: listner is no setting/,
  ]);
  t.equal(watcher.current.config.defaults.pool.maxIdle, 1);
  clock.advance(30_000);
  t.same(told, [], 'looking at it again tells nothing new');
  t.match(await after(() => writeFileSync(file, yaml(2))), [/^2: applies at once: defaults\.pool\.maxIdle: 1 → 2/]);
});

t.test('a file that goes away is refused, and read when it is back', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { after, watcher } = start(t, file);
  t.match(await after(() => unlinkSync(file)), [/^refused 1: .*there is no such file/]);
  t.equal(watcher.current.config.defaults.pool.maxIdle, 1);
  t.match(await after(() => writeFileSync(file, yaml(2))), [/^2: /]);
});

t.test('a change of which no event told is found by looking every 30 s', async (t) => {
  const directory = t.testdir({ mounted: { inner: { 'c.yaml': yaml(1) } } });
  const file = join(directory, 'mounted', 'inner', 'c.yaml');
  const { clock, told, after } = start(t, file);
  // A directory further up is replaced: the watch is on one that has another name now.
  renameSync(join(directory, 'mounted'), join(directory, 'gone'));
  mkdirSync(join(directory, 'mounted', 'inner'), { recursive: true });
  writeFileSync(file, yaml(2));
  clock.advance(29_999);
  t.same(told, []);
  clock.advance(1);
  t.match(told.splice(0), [/^2: /]);
  t.match(await after(() => writeFileSync(file, yaml(3))), [/^3: /], 'and from then on the new one is watched');
});

t.test('reload on demand says what changed, that nothing did, or why it was refused', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { watcher, told, clock } = start(t, file);
  t.match(watcher.reload(), { outcome: 'unchanged', lines: ['no setting changed'] });
  t.same(told, []);
  writeFileSync(file, yaml(2));
  t.match(watcher.reload(), { outcome: 'changed', lines: ['applies at once: defaults.pool.maxIdle: 1 → 2'] });
  writeFileSync(file, yaml('x'));
  t.match(watcher.reload(), {
    outcome: 'refused',
    lines: ['the configuration was refused, the last good one stays', /maxIdle is "x"/],
  });
  t.equal(told.length, 2, 'the callbacks were called too');
  clock.advance(2000);
  t.equal(told.length, 2, 'and the events of the same changes tell nothing more');
});

t.test('what waits for a restart is told with each reload until it is as it was at the start', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { watcher } = start(t, file);
  const lines = (text: string) => {
    writeFileSync(file, text);
    return watcher.reload().lines;
  };
  const port = (port: number, maxIdle: number) => `listener: { port: ${port} }\n${yaml(maxIdle)}`;
  t.same(lines(port(1, 1)), ['needs a restart: listener.port: 14140 → 1']);
  t.same(lines(port(1, 2)), [
    'applies at once: defaults.pool.maxIdle: 1 → 2',
    'needs a restart: listener.port: 14140 → 1',
  ]);
  t.same(lines(port(14140, 3)), ['applies at once: defaults.pool.maxIdle: 2 → 3']);
});

t.test('a fault while reading costs the reload, not the process', async (t) => {
  const watcher = new ConfigWatcher({
    file: null,
    loaded: loadConfig({ file: null, env: {}, flags: [] }),
    load: () => {
      throw new RangeError('too deep');
    },
    clock: new TestClock(),
    onChanged: () => t.fail('nothing changed'),
    onRefused: (problems) => t.match(problems, [{ message: 'could not be read: too deep' }]),
  });
  t.match(watcher.reload(), { outcome: 'refused' });
  watcher.close();
});

t.test('a file that is again as it was in force is told as that, and changes nothing', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { after, known } = start(t, file);
  t.match(await after(() => writeFileSync(file, yaml('many'))), ['refused 1']);
  t.equal(known.unchanged, 0);
  t.same(await after(() => writeFileSync(file, yaml(1))), []);
  t.equal(known.unchanged, 1);
});

t.test('after close nothing is watched and nothing waits', async (t) => {
  const file = join(t.testdir({ 'c.yaml': yaml(1) }), 'c.yaml');
  const { watcher, clock, told } = start(t, file);
  const event = clock.nextTimer();
  writeFileSync(file, yaml(2));
  await event;
  watcher.close();
  t.equal(clock.waiting, 0);
  clock.advance(60_000);
  t.same(told, []);
});

t.test('a file that may be missing is read when it appears, and what it set stays when it goes', async (t) => {
  const directory = t.testdir({});
  const file = join(directory, 'carpool.yaml');
  t.throws(() => loadConfig({ file, env: {}, flags: [] }), /there is no such file/);
  const { after, watcher } = start(t, file, true);
  t.same(watcher.current.warnings, []);
  // As the kubelet writes a ConfigMap: a directory of this version, and links to it.
  const appear = (version: string, text: string): void => {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, 'carpool.yaml'), text);
    symlinkSync(version, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    symlinkSync('..data/carpool.yaml', file);
  };
  const appeared = await after(() => appear('..1', yaml(7)));
  t.match(appeared[0], /^7: /);
  const broken = await after(() => writeFileSync(join(directory, '..1', 'carpool.yaml'), yaml('many')));
  t.match(broken[0], /^refused 1/, 'what is there is read as strictly as ever');
  const gone = await after(() => unlinkSync(file));
  t.match(gone[0], /^refused 1: .*there is no such file/);
  t.equal(watcher.current.config.defaults.pool.maxIdle, 7);
});
