import type { Clock } from '../clock.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import { call, type Reply, showTarget, type Target } from './http-call.ts';
import { objectAt, parseObject, textAt } from './json-reader.ts';

/** Between two looks, in milliseconds. */
const INTERVAL_MS = 200;
const CALL_TIMEOUT_MS = 2000;

/** `carpool wait`: exit code 0 as soon as the sidecar takes requests, 1 when it has not by the deadline. */
export async function waitUntilReady(target: Target, timeoutMs: number, deps: CliDeps): Promise<number> {
  const { clock } = deps;
  const end = clock.now() + timeoutMs;
  let last = 'it was not asked yet';
  for (;;) {
    try {
      const left = Math.max(1, Math.min(CALL_TIMEOUT_MS, end - clock.now()));
      const path = target.kind === 'url' ? '/readyz' : '/stats';
      const state = stateIn(await call(target, { method: 'GET', path, timeoutMs: left }, clock), target);
      if (state === 'ready') return EXIT.ok;
      last = `it is ${state}`;
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.usage) throw error;
      last = error.message;
    }
    if (clock.now() + INTERVAL_MS > end) {
      deps.err(`not ready after ${timeoutMs / 1000} s: ${last}\n`);
      return EXIT.failure;
    }
    await pause(clock, INTERVAL_MS);
  }
}

function stateIn(reply: Reply, target: Target): string {
  if (target.kind === 'url') return reply.status === 200 ? 'ready' : reply.body.trim().slice(0, 80);
  return textAt(objectAt(parseObject(reply.body, showTarget(target)), 'process'), 'state');
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms);
  });
}
