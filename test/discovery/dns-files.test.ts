import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { WatchedFile } from '../../src/discovery/watched-file.ts';
import { TestClock } from '../test-clock.ts';
import { startDiscovery } from './discovery-fixture.ts';
import { DnsServer, zone } from './dns-server.ts';
import { RecordingSink } from './recording-sink.ts';

const POLL_MS = 5_000;

t.test('a hosts file written in place is seen, and subscribed names are asked for again', async (t) => {
  const { fixture, clock, subscribe } = await startDiscovery(t, zone({}), {
    pollMs: POLL_MS,
    hosts: '10.0.0.1 legacy\n',
  });
  const { sink } = await subscribe('legacy', 80, 'evict');
  writeFileSync(fixture.hostsFile, '10.0.0.2 legacy\n');
  clock.advance(POLL_MS);
  await sink.settledTimes(2);
  t.same(sink.calls, ['add 10.0.0.1:80', 'settled', 'add 10.0.0.2:80', 'suspend 10.0.0.1:80', 'settled']);
});

t.test('a hosts file renamed over is seen', async (t) => {
  const { fixture, clock, subscribe } = await startDiscovery(t, zone({}), {
    pollMs: POLL_MS,
    hosts: '10.0.0.1 legacy\n',
  });
  const { sink } = await subscribe('legacy');
  writeFileSync(`${fixture.hostsFile}.new`, '10.0.0.2 legacy\n');
  renameSync(`${fixture.hostsFile}.new`, fixture.hostsFile);
  clock.advance(POLL_MS);
  await sink.settledTimes(2);
  t.equal(sink.endpoints.get('10.0.0.2:80'), 'ready');
});

t.test('a name that was absent is found once it is in the hosts file', async (t) => {
  const { fixture, clock, subscribe } = await startDiscovery(t, zone({}), {
    pollMs: POLL_MS,
    timing: { minTtlMs: 5_000, maxTtlMs: 60_000, negativeTtlMs: 3_600_000 },
  });
  const { sink } = await subscribe('new');
  t.same(sink.take(), ['settled NO_ROUTE']);
  writeFileSync(fixture.hostsFile, '10.0.0.2 new\n');
  clock.advance(POLL_MS);
  await sink.settledTimes(2);
  t.same(sink.take(), ['add 10.0.0.2:80', 'settled']);
});

t.test('another nameserver in resolv.conf is asked from then on', async (t) => {
  const second = await DnsServer.start(zone({ 'x.test': ['10.0.0.2'] }));
  t.teardown(() => second.close());
  const { fixture, server, clock, subscribe } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }), {
    pollMs: POLL_MS,
  });
  const { sink } = await subscribe('x.test');
  writeFileSync(fixture.resolvConf, `nameserver ${second.address}\n`);
  clock.advance(POLL_MS);
  await sink.settledTimes(2);
  t.equal(sink.endpoints.get('10.0.0.2:80'), 'ready');
  t.equal(server.count('x.test'), 1);
});

t.test('a half-written resolv.conf changes nothing', async (t) => {
  const { fixture, server, clock, subscribe } = await startDiscovery(
    t,
    zone({ 'x.test': ['10.0.0.1'], 'y.test': ['10.0.0.2'] }),
    { pollMs: POLL_MS },
  );
  await subscribe('x.test');
  writeFileSync(fixture.resolvConf, 'search sh');
  clock.advance(POLL_MS);
  // The poll reads the file now; the next one is scheduled when it has.
  while (clock.waiting < 3) await new Promise(setImmediate);
  await subscribe('y.test');
  t.same(server.names, ['x.test', 'y.test']);
});

t.test('a lookup under way while the files change is followed by another', async (t) => {
  let changed: (() => void) | null = null;
  let lookups = 0;
  const answers = ['10.0.0.1', '10.0.0.2'];
  const lookup = {
    clusterDomain: 'cluster.local',
    lookup: async (name: string) => {
      const address = answers[lookups++] ?? '';
      await Promise.resolve();
      if (lookups === 1) changed?.();
      return { kind: 'found', name, addresses: [address], ttlMs: 30_000, unknownFamily: null } as const;
    },
    onChange: (listener: () => void) => {
      changed = listener;
    },
    close: () => {},
  };
  const { discovery } = await startDiscovery(t, zone({}), { lookup });
  const sink = new RecordingSink();
  discovery.subscribe('x.test', 80, sink);
  await sink.settledTimes(1);
  t.same(sink.calls, ['add 10.0.0.2:80', 'settled'], 'the outdated answer is not told');
});

/** A watched file in a directory of its own, and the texts it was seen with. */
function watch(t: { teardown: (callback: () => void) => void }, path: string) {
  const clock = new TestClock();
  const texts: string[] = [];
  const file = new WatchedFile(path, clock, POLL_MS, (text) => texts.push(text));
  t.teardown(() => file.close());
  /** One poll; resolves when the file was read. */
  const poll = async () => {
    clock.advance(POLL_MS);
    while (clock.waiting === 0) await new Promise(setImmediate);
  };
  return { clock, texts, file, poll };
}

t.test('the symlink swap of a mounted volume is seen', async (t) => {
  const root = t.testdir({});
  for (const [version, text] of [
    ['..v1', 'one'],
    ['..v2', 'two'],
  ] as const) {
    mkdirSync(join(root, version));
    writeFileSync(join(root, version, 'hosts'), text);
  }
  symlinkSync('..v1', join(root, '..data'));
  symlinkSync('..data/hosts', join(root, 'hosts'));
  const { file, texts, poll } = watch(t, join(root, 'hosts'));
  t.equal(file.text, 'one');
  await poll();
  t.same(texts, []);
  symlinkSync('..v2', join(root, '..data_tmp'));
  renameSync(join(root, '..data_tmp'), join(root, '..data'));
  rmSync(join(root, '..v1'), { recursive: true });
  await poll();
  t.same(texts, ['two']);
  await poll();
  t.same(texts, ['two'], 'once');
});

t.test('a file that is away for a moment keeps what was read', async (t) => {
  const path = join(t.testdir({ hosts: 'one' }), 'hosts');
  const { file, texts, poll } = watch(t, path);
  rmSync(path);
  await poll();
  t.equal(file.text, 'one');
  writeFileSync(path, 'two');
  await poll();
  t.same(texts, ['two']);
});

t.test('a file that is missing at first is empty until it comes', async (t) => {
  const path = join(t.testdir({}), 'hosts');
  const { file, texts, poll } = watch(t, path);
  t.equal(file.text, '');
  writeFileSync(path, 'one');
  await poll();
  t.same(texts, ['one']);
});

t.test('a file that is closed while it is read tells nothing', async (t) => {
  const path = join(t.testdir({ hosts: 'one' }), 'hosts');
  const { file, texts, clock } = watch(t, path);
  writeFileSync(path, 'two');
  clock.advance(POLL_MS);
  file.close();
  for (let read = 0; read < 10; read++) await readFile(path);
  t.same(texts, []);
  t.equal(clock.waiting, 0);
});

t.test('a closed file is read no more', async (t) => {
  const path = join(t.testdir({ hosts: 'one' }), 'hosts');
  const { file, texts, clock, poll } = watch(t, path);
  await poll();
  writeFileSync(path, 'two');
  file.close();
  t.equal(clock.waiting, 0);
  clock.advance(60_000);
  t.same(texts, []);
});
