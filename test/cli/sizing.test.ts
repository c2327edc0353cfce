import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { timeoutsFor } from '../../src/cli/sizing.ts';
import { loadConfig } from '../../src/config/load.ts';
import { poolSize } from '../../src/status/pool-size.ts';
import { runCli } from './run-cli.ts';

/** What a sidecar makes of the YAML at the end of an output. */
function loaded(t: Test, text: string) {
  const file = join(t.testdir(), 'config.yaml');
  writeFileSync(file, text);
  return loadConfig({ file, env: {}, flags: [] }).config.defaults;
}

const yamlIn = (out: string) => out.slice(out.indexOf('defaults:'));

t.test('a pool has room for the load and half as much again, between 10 and 1000', (t) => {
  t.same(poolSize(200, 80), { concurrency: 16, wanted: 24, maxConnections: 24 });
  t.match(poolSize(1, 10), { wanted: 1, maxConnections: 10 });
  t.match(poolSize(100_000, 1000), { wanted: 150_000, maxConnections: 1000 });
  t.match(poolSize(200, 100), { wanted: 30 }, 'what is whole is not rounded up');
  t.match(poolSize(201, 100), { wanted: 31 });
  t.end();
});

t.test('size says the arithmetic and prints what to paste', async (t) => {
  const { code, out } = await runCli(['size', '--rps', '200', '--latency-ms', '80']);
  t.equal(code, 0);
  t.match(out, '200 requests/s × 80 ms ÷ 1000 = 16 at a time\n16 × 1.5 for bursts = 24 connections\n');
  t.equal(loaded(t, yamlIn(out)).pool.maxConnections, 24);
});

t.test('size shares the load among the pods, and says what the upstream sees of them', async (t) => {
  const { out } = await runCli(['size', '--rps', '1000', '--latency-ms', '120.5', '--pods', '4']);
  t.match(out, '1000 requests/s over 4 pods: 250 in each\n250 requests/s × 120.5 ms ÷ 1000 = 30.13 at a time');
  t.match(out, '4 × 46 = 184: the most that the upstream sees');
  t.equal(loaded(t, yamlIn(out)).pool.maxConnections, 46);
});

t.test('size says where its bounds decide', async (t) => {
  t.match((await runCli(['size', '--rps', '1', '--latency-ms', '1'])).out, /= 1 connections; at least 10\n/);
  t.match((await runCli(['size', '--rps', '9000', '--latency-ms', '900'])).out, /; at most 1000: rather more pods/);
});

t.test('time-outs follow the distance and what the upstream allows itself', (t) => {
  t.same(timeoutsFor(40, 60), { connectMs: 5000, responseMs: 48_000, totalMs: 58_000 });
  t.same(timeoutsFor(3000, 5), { connectMs: 6000, responseMs: 10_000, totalMs: 21_000 });
  t.end();
});

t.test('timeouts says the arithmetic and prints what to paste', async (t) => {
  const { code, out } = await runCli(['timeouts', '--network-ms', '2600.5', '--provider-s', '120']);
  t.equal(code, 0);
  t.match(out, 'the longer of 5s and 2 × 2600.5 ms = 5s201ms\n');
  t.match(out, 'the longer of 10s and 0.8 × 120 s = 1m36s\n');
  t.match(loaded(t, yamlIn(out)).timeouts, { connectMs: 5201, responseMs: 96_000, totalMs: 106_201 });
});

t.test('the largest numbers that are taken give a configuration that is taken', async (t) => {
  const { out } = await runCli(['timeouts', '--network-ms', '3600000', '--provider-s', '36000']);
  t.match(loaded(t, yamlIn(out)).timeouts, { connectMs: 7_200_000, responseMs: 28_800_000, totalMs: 36_005_000 });
});

t.test('both print JSON', async (t) => {
  const size = await runCli(['size', '--rps', '200', '--latency-ms', '80', '--pods', '2', '-o', 'json']);
  t.match(JSON.parse(size.out), {
    rps: 200,
    latencyMs: 80,
    pods: 2,
    concurrency: 8,
    wanted: 12,
    maxConnections: 12,
    totalConnections: 24,
    yaml: /maxConnections: 12/,
  });
  const timeouts = await runCli(['timeouts', '--network-ms', '40', '--provider-s', '60', '-o', 'json']);
  t.match(JSON.parse(timeouts.out), { connectMs: 5000, responseMs: 48_000, totalMs: 58_000, yaml: /response: 48s/ });
});

t.test('what is no number, has a unit or is not above 0 is a usage error that says so', async (t) => {
  for (const wrong of ['-3', '0', 'NaN', 'Infinity', '1e3', '80ms', '', ' 5', '0x10', '99999999999']) {
    for (const argv of [
      ['size', '--rps', wrong, '--latency-ms', '80'],
      ['size', '--rps', '80', '--latency-ms', wrong],
      ['size', '--rps', '80', '--latency-ms', '80', '--pods', wrong],
      ['timeouts', '--network-ms', wrong, '--provider-s', '1'],
      ['timeouts', '--network-ms', '1', '--provider-s', wrong],
    ]) {
      const { code, out, err } = await runCli(argv);
      t.match(
        { code, out, err },
        { code: 64, out: '', err: /a number above 0 and up to \d+, without a unit/ },
        argv.join(' '),
      );
    }
  }
  t.match(await runCli(['size', '--rps', '8', '--latency-ms', '8', '--pods', '1.5']), {
    code: 64,
    err: /a whole number/,
  });
  t.match(await runCli(['size', '--rps', '8']), { code: 64, err: /required option '--latency-ms/ });
  t.match(await runCli(['timeouts', '--provider-s', '8']), { code: 64, err: /required option '--network-ms/ });
});
