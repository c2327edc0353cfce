import { writeFileSync } from 'node:fs';
import { measureIdle } from './compare/measure-idle.ts';
import { measureLoad } from './compare/measure-load.ts';
import { measureStalled } from './compare/measure-stalled.ts';
import { measureStart } from './compare/measure-start.ts';
import { type CompareOptions, parseOptions, USAGE } from './compare/options.ts';
import { report } from './compare/report.ts';
import type { Row } from './compare/rows.ts';
import { isOpenLoop, roleOf, type Scenario, scenarios } from './compare/scenarios.ts';
import { allPeers } from './peers/all-peers.ts';
import { isPeer, type Peer } from './peers/peer.ts';
import { roles } from './peers/roles.ts';
import { Children, findProgram, pinSelf } from './rig/children.ts';
import { machine } from './rig/machine.ts';
import { type Origins, startOrigins } from './rig/origins.ts';

/** `make bench`: carpool beside other proxies on the same work. See docs/benchmarks.md for the method. */
async function main(options: CompareOptions): Promise<void> {
  if (findProgram('wrk') === null) throw new Error('wrk is missing: run bench/setup.sh');
  const peers = choosePeers(options);
  const on = machine();
  pinSelf();
  const children = new Children();
  const origins = await startOrigins(children);
  console.log(`# ${new Date().toISOString()} ${on.cpu}, ${on.cores} cores, kernel ${on.kernel}`);
  for (const peer of peers) console.log(`# ${peer.name}: ${peer.version}`);
  console.log(`# ${options.rounds} rounds of ${options.seconds} s; figures: median (minimum) over rounds`);
  if (on.cores < 2) console.log('# one core only: proxy and load share it, the figures mean little');

  const rows: Row[] = [];
  for (const scenario of scenarios) {
    if (!wanted(scenario, options, origins)) continue;
    const able = peers.filter((peer) => lack(peer, scenario) === null);
    for (let round = 0; round < options.rounds; round++) {
      for (const peer of able) rows.push(...(await measure(children, scenario, peer, options, round)));
    }
    const absent = peers.flatMap((peer) => {
      const why = lack(peer, scenario);
      return why === null || peer.name === 'direct' ? [] : [{ peer: peer.name, why }];
    });
    console.log(report(scenario, rows, options.subject, absent));
  }
  if (options.json !== null) {
    const versions = Object.fromEntries(peers.map((peer) => [peer.name, peer.version]));
    writeFileSync(
      options.json,
      `${JSON.stringify({ at: new Date(), machine: on, versions, options, rows }, null, 1)}\n`,
    );
  }
}

function choosePeers(options: CompareOptions): readonly Peer[] {
  const all = allPeers(options.entries, options.nodeFlags);
  for (const name of options.peers ?? []) {
    if (!all.some((candidate) => candidate.name === name)) throw new Error(`there is no peer ${name}`);
  }
  const extra = options.entries.map(({ name }) => name);
  const chosen = all.filter(
    ({ name }) => options.peers === null || options.peers.includes(name) || extra.includes(name),
  );
  for (const candidate of chosen) {
    if (!isPeer(candidate)) console.log(`# ${candidate.name} is left out: ${candidate.missing}`);
  }
  return chosen.filter(isPeer);
}

/** Why a peer takes no part in a scenario, or null. Without a proxy there is latency, and nothing else to compare. */
function lack(peer: Peer, scenario: Scenario): string | null {
  if (peer.name === 'direct' && !isOpenLoop(scenario)) return 'no proxy';
  return peer.lacks(roleOf(scenario));
}

function wanted(scenario: Scenario, options: CompareOptions, origins: Origins): boolean {
  if (options.scenarios !== null && !options.scenarios.includes(scenario.name)) return false;
  const role = roles[roleOf(scenario)];
  if (role.native && !origins.native) {
    console.log(`\n## ${scenario.name} is left out: its programs need a C compiler (bench/setup.sh)`);
    return false;
  }
  if (role.tls && origins.certificate === null) {
    console.log(`\n## ${scenario.name} is left out: its origin needs a certificate (bench/setup.sh: openssl)`);
    return false;
  }
  return true;
}

async function measure(
  children: Children,
  scenario: Scenario,
  peer: Peer,
  options: CompareOptions,
  round: number,
): Promise<readonly Row[]> {
  switch (scenario.kind) {
    case 'idle': {
      const plan = { clients: options.idleClients, loadSeconds: options.seconds, settleMs: options.settleMs };
      return [tell(await measureIdle(children, peer, plan, round))];
    }
    case 'start': {
      const rows: Row[] = [];
      for (let i = 0; i < options.startsPerRound; i++) {
        rows.push(tell(await measureStart(children, peer, round * options.startsPerRound + i)));
      }
      return rows;
    }
    case 'stalled': {
      const plan = { holdSeconds: options.holdSeconds, settleMs: options.settleMs };
      return [tell(await measureStalled(children, peer, plan, round))];
    }
    default:
      return [tell(await measureLoad(children, peer, scenario, options, round))];
  }
}

/** A line on standard error for each row, so that a long run can be watched. */
function tell<R extends Row>(row: R): R {
  const { scenario, peer, round, failed, kind: _, ...figures } = row;
  const shown = Object.entries(figures).map(([name, value]) => {
    return `${name}=${typeof value === 'number' ? Number(value.toFixed(2)) : value}`;
  });
  console.error(
    `.. ${scenario} ${round} ${peer}: ${failed === null ? '' : `NO RESULT (${failed}) `}${shown.join(' ')}`,
  );
  return row;
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else await main(options);
  process.exit(0);
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exit(1);
}
