import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type LoadResult, runOpenLoop, runWrk, type Target } from '../load/generators.ts';
import { runHttp2, runTunnels } from '../load/native-generators.ts';
import type { Peer } from '../peers/peer.ts';
import { hostOf, type Role } from '../peers/roles.ts';
import { type Children, PROXY_CORE, type Running } from '../rig/children.ts';
import { probe, waitUntilAccepting, waitUntilFree } from '../rig/probe.ts';
import { probeHttp2 } from '../rig/probe-http2.ts';
import { cpuSeconds, endedChildrenCpuSeconds, machineCpuSeconds, memory } from '../rig/proc.ts';
import type { LoadRow } from './rows.ts';
import type { LoadScenario } from './scenarios.ts';

/** What all but wrk ask for, and how long the answer is. */
const PATH = '/1k';
const ANSWER_BYTES = 1024;

export type LoadPlan = {
  readonly seconds: number;
  /** Scales the warm-up that each peer asks for; 0: none. */
  readonly warmFactor: number;
  /** Milliseconds to wait at most for the rest of the machine to be quiet. */
  readonly quietWaitMs: number;
};

/** Runs one peer once: started, looked at with one request, warmed, measured, ended. */
export async function measureLoad(
  children: Children,
  peer: Peer,
  scenario: LoadScenario,
  plan: LoadPlan,
  round: number,
): Promise<LoadRow> {
  const { role } = scenario;
  await waitUntilFree(peer.port(role));
  const begun = performance.now();
  const proxy = children.start(peer.name, PROXY_CORE, peer.command(role));
  try {
    const target = targetOf(peer, role, scenario);
    await waitUntilAccepting(proxy, target.port, begun);
    await lookAtOneAnswer(target, scenario);
    const warmSeconds = peer.warmSeconds * plan.warmFactor;
    if (warmSeconds >= 1) await putLoad(target, scenario, warmSeconds);
    await waitForQuiet(plan.quietWaitMs);
    return await measured(children, proxy, target, scenario, plan.seconds, { peer: peer.name, round });
  } catch (problem) {
    return emptyRow(scenario.name, peer.name, round, problem instanceof Error ? problem.message : String(problem));
  } finally {
    await children.stop(proxy);
  }
}

async function measured(
  children: Children,
  proxy: Running,
  target: Target,
  scenario: LoadScenario,
  seconds: number,
  who: { readonly peer: string; readonly round: number },
): Promise<LoadRow> {
  const before = account(children, proxy);
  const result = await putLoad(target, scenario, seconds);
  const after = account(children, proxy);
  const { rssMiB, pssMiB } = memory(proxy.pid);

  const wall = after.at - before.at;
  const proxyCpu = after.proxy - before.proxy;
  const ownCpu = proxyCpu + after.rig - before.rig;
  const failed = result.errors > 0 ? `${result.errors} errors` : result.requests === 0 ? 'no request completed' : null;
  return {
    kind: 'load',
    scenario: scenario.name,
    ...who,
    failed,
    cpuUs: result.requests > 0 ? (proxyCpu / result.requests) * 1e6 : null,
    rps: result.requests / result.seconds,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    rssMiB,
    pssMiB,
    requests: result.requests,
    errors: result.errors,
    foreign: Math.max(0, (after.machine - before.machine - ownCpu) / wall),
    proxyCores: proxyCpu / wall,
    generatorLateUs: result.lateP99Us ?? null,
  };
}

/** CPU seconds so far: of the proxy, of everything else that belongs to the benchmark, of the whole machine. */
function account(
  children: Children,
  proxy: Running,
): { readonly at: number; readonly proxy: number; readonly rig: number; readonly machine: number } {
  const own = process.cpuUsage();
  return {
    at: performance.now() / 1000,
    proxy: cpuSeconds(proxy.pid),
    rig: children.cpuSeconds(proxy) + endedChildrenCpuSeconds() + (own.user + own.system) / 1e6,
    machine: machineCpuSeconds(),
  };
}

function targetOf(peer: Peer, role: Role, scenario: LoadScenario): Target {
  const host = hostOf(role);
  const path = scenario.kind === 'wrk' ? scenario.path : PATH;
  return { port: peer.port(role), host, target: `http://${host}${path}` };
}

function putLoad(
  target: Target,
  scenario: LoadScenario,
  seconds: number,
): Promise<LoadResult & { readonly lateP99Us?: number | null }> {
  switch (scenario.kind) {
    case 'wrk':
      return runWrk(target, { ...scenario, seconds });
    case 'latency':
      return runOpenLoop(target, { ...scenario, seconds });
    case 'h2':
      return runHttp2(target, { ...scenario, seconds, path: PATH, answerBytes: ANSWER_BYTES });
    case 'tunnel':
      return runTunnels(target, { ...scenario, seconds, path: PATH, answerBytes: ANSWER_BYTES });
  }
}

async function lookAtOneAnswer(target: Target, scenario: LoadScenario): Promise<void> {
  const { port, host } = target;
  const noBody = Buffer.alloc(0);
  switch (scenario.kind) {
    case 'wrk': {
      const body = scenario.bodyFile === null ? noBody : readFileSync(scenario.bodyFile);
      await probe({ port, method: scenario.method, target: target.target, host, body }, scenario.answerBytes);
      break;
    }
    case 'latency':
      await probe({ port, method: 'GET', target: target.target, host, body: noBody }, ANSWER_BYTES);
      break;
    case 'h2':
      await probeHttp2({ port, host, path: PATH, post: scenario.post, grpc: scenario.grpc }, ANSWER_BYTES);
      break;
    case 'tunnel':
      await probe({ port, method: 'GET', target: PATH, host, body: noBody, tunnel: true }, ANSWER_BYTES);
      break;
  }
}

/** Returns when the machine has used less than 8 % of a core for 0.4 s, or after the given time. */
async function waitForQuiet(atMostMs: number): Promise<void> {
  const begun = performance.now();
  while (performance.now() - begun < atMostMs) {
    const before = machineCpuSeconds();
    await wait(400);
    if (machineCpuSeconds() - before < 0.08 * 0.4) return;
  }
}

function emptyRow(scenario: string, peer: string, round: number, failed: string): LoadRow {
  const nothing = { cpuUs: null, rps: null, p50Us: null, p99Us: null, rssMiB: null, pssMiB: null };
  const noLoad = { requests: 0, errors: 0, foreign: null, proxyCores: null, generatorLateUs: null };
  return { kind: 'load', scenario, peer, round, failed, ...nothing, ...noLoad };
}
