import type { Clock } from '../clock.ts';
import { showHostPattern } from '../config/addresses.ts';
import { type Advice, adviseOn, asYaml } from './advice.ts';
import { between, type Counters, readCounters } from './counters-reading.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import { samplesOf } from './exposition-reader.ts';
import { call, showTarget, type Target } from './http-call.ts';
import { type JsonObject, listAt, numberAt, objectAt, parseObject, textAt } from './json-reader.ts';
import { type LoadWindow, type PoolReading, readPolicy, readPool } from './load-window.ts';
import type { Format } from './show.ts';
import { printable } from './table.ts';

export type AdviseOptions = {
  /** How long to watch, in milliseconds; 0: by what was counted since the start. */
  readonly for: number;
  readonly output: Format;
};

const TIMEOUT_MS = 10_000;
/** The pool is looked at so often in the time, but not more often than once in this many milliseconds. */
const LOOKS = 20;
const LEAST_STEP_MS = 250;

/** Without traffic the answer is not that all is well. */
const NOTHING_SEEN =
  'Without requests nothing can be told: let the app send some meanwhile, watch for longer (--for 5m), or go by what was counted since the start (--for 0).';

/** `carpool advise DEST`: watches a destination for a while, then says what to set and why. */
export async function advise(target: Target, name: string, options: AdviseOptions, deps: CliDeps): Promise<number> {
  const sidecar = new Sidecar(target, name, deps.clock);
  const begun = deps.clock.now();
  const first = await sidecar.look();
  const before = options.for === 0 ? null : (await sidecar.counters(first)).counters;
  const looks = [first.pool];
  const step = Math.max(LEAST_STEP_MS, options.for / LOOKS);
  for (let left = options.for; left > 0; left -= step) {
    await pause(deps.clock, Math.min(step, left));
    looks.push((await sidecar.look()).pool);
  }
  const last = options.for === 0 ? first : await sidecar.look();
  const { label, counters: after } = await sidecar.counters(last);
  const entry = await sidecar.entry(last);
  const seconds = options.for === 0 ? last.uptimeMs / 1000 : (deps.clock.now() - begun) / 1000;
  const window: LoadWindow = {
    seconds,
    counted: before === null ? after : between(before, after),
    pool: last.pool,
    peakInUse: Math.max(...looks.map(({ inUse }) => inUse), last.pool.inUse),
    peakPending: Math.max(...looks.map(({ pending }) => pending), last.pool.pending),
    policy: readPolicy(entry.policy),
  };
  const advice = adviseOn(window);
  const yaml = asYaml(entry.match, advice.findings);
  if (options.output === 'json')
    deps.out(`${JSON.stringify({ destination: last.name, label, seconds, ...advice, yaml }, null, 2)}\n`);
  else deps.out(inWords({ name: last.name, label }, seconds, options.for === 0, advice, yaml));
  return EXIT.ok;
}

type Look = {
  readonly name: string;
  readonly label: string;
  readonly uptimeMs: number;
  readonly pool: PoolReading;
};

/** What the operator port of a sidecar says about one destination. */
class Sidecar {
  readonly #target: Target;
  readonly #name: string;
  readonly #clock: Clock;

  constructor(target: Target, name: string, clock: Clock) {
    this.#target = target;
    this.#name = name;
    this.#clock = clock;
  }

  /** Its pool now. */
  async look(): Promise<Look> {
    const reply = await this.#json(`/stats?destination=${encodeURIComponent(this.#name)}`);
    const all = listAt(reply, 'destinations');
    const exact = all.filter((each) => textAt(each, 'name') === this.#name);
    // One that a reload made anew stands beside the old one until that has finished: the last is the new one.
    const found = exact.at(-1) ?? (all.length === 1 ? all[0] : undefined);
    if (found === undefined)
      throw new CliError(`${all.length} destinations have the label ${this.#name}: ${names(all)}. Name one of them.`);
    const uptimeMs = numberAt(objectAt(reply, 'process'), 'uptimeMs');
    return { name: textAt(found, 'name'), label: textAt(found, 'label'), uptimeMs, pool: readPool(found) };
  }

  /** What it has counted, under the metric label that it has now: one of its own may have come since it began. */
  async counters({ name, label }: Look): Promise<{ label: string; counters: Counters }> {
    const text = await this.#get('/metrics');
    const own = samplesOf(text, name);
    if (own.size > 0) return { label: name, counters: readCounters(own) };
    return { label, counters: readCounters(samplesOf(text, label)) };
  }

  /** Its policy, and what the entry of the configuration that it goes by matches. */
  async entry({ name, label }: Look): Promise<{ match: string; policy: JsonObject }> {
    const config = await this.#json('/debug/config');
    for (const entry of listAt(config, 'destinations')) {
      const match = objectAt(entry, 'match');
      const host = textAt(match, 'host');
      const pattern = showHostPattern({ host, port: match.get('port') === null ? null : numberAt(match, 'port') });
      if (pattern === name || pattern === label || textAt(entry, 'name') === label)
        return { match: pattern, policy: objectAt(entry, 'policy') };
    }
    // Entries know no scheme.
    return { match: name.replace(/^https:\/\//, ''), policy: objectAt(config, 'defaults') };
  }

  async #json(path: string): Promise<JsonObject> {
    return parseObject(await this.#get(path), showTarget(this.#target));
  }

  async #get(path: string): Promise<string> {
    const { status, body } = await call(this.#target, { method: 'GET', path, timeoutMs: TIMEOUT_MS }, this.#clock);
    if (status === 200) return body;
    const reply = parseObject(body, showTarget(this.#target));
    throw new CliError(`${textAt(reply, 'message') || `${path}: status ${status}`}\n${textAt(reply, 'hint')}`.trim());
  }
}

function names(all: readonly JsonObject[]): string {
  return all
    .slice(0, 10)
    .map((each) => textAt(each, 'name'))
    .join(', ');
}

function inWords(
  { name, label }: { readonly name: string; readonly label: string },
  seconds: number,
  sinceStart: boolean,
  { evidence, findings, idle }: Advice,
  yaml: string,
): string {
  const shared = label === name ? '' : ` (counted as ${label}, with whatever else has that label)`;
  const time = sinceStart ? `since the start ${Math.round(seconds)} s ago` : `watched for ${Math.round(seconds)} s`;
  const lines = [`${name}${shared}, ${time}:`, ...evidence.map((line) => `  ${line}`), ''];
  if (findings.length === 0) lines.push(idle ? NOTHING_SEEN : 'Nothing to change.');
  for (const { topic, found, advice } of findings) lines.push(`${topic}: ${found}`, `  → ${advice}`);
  if (yaml !== '') lines.push('', 'To paste, into the entry that is there or as a new one:', '', yaml.trimEnd());
  return `${lines.map(printableLine).join('\n')}\n`;
}

/** Line ends of the YAML stay. */
function printableLine(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms);
  });
}
