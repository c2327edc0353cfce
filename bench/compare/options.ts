import { parseArgs } from 'node:util';
import type { ExtraEntry } from '../peers/all-peers.ts';
import { scenarios } from './scenarios.ts';

export type CompareOptions = {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmFactor: number;
  readonly quietWaitMs: number;
  readonly idleClients: number;
  readonly settleMs: number;
  /** Seconds for which the streams of the memory scenario stand still. */
  readonly holdSeconds: number;
  readonly startsPerRound: number;
  /** Names, or null: all. */
  readonly scenarios: readonly string[] | null;
  readonly peers: readonly string[] | null;
  readonly subject: string;
  readonly json: string | null;
  readonly entries: readonly ExtraEntry[];
  readonly nodeFlags: readonly string[];
};

export const USAGE = `Proxies side by side on the same work, interleaved rounds.
  --rounds N           rounds (default 5; 20 for a judgement closer than 15 %)
  --seconds N          seconds of each measurement (default 5)
  --scenarios A,B      of ${scenarios.map(({ name }) => name).join(' ')} (default all)
  --peers A,B          of carpool nginx haproxy envoy squid undici node-http direct, and names of --entry (default all that are there)
  --subject NAME       whose ratios to the others are printed (default carpool)
  --entry NAME=FILE    another build of carpool as one more peer (dist/… or src/main.ts); repeatable
  --node-flags "…"     flags of Node for carpool
  --quiet-wait N       seconds to wait at most for a quiet machine before each measurement (default 5)
  --json FILE          every row, for later
  --quick              a smoke run of about two minutes: no warm-up, one round; its figures mean nothing`;

/** @throws with words for the user on anything that is not understood */
export function parseOptions(argv: readonly string[]): CompareOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      scenarios: { type: 'string' },
      peers: { type: 'string' },
      subject: { type: 'string', default: 'carpool' },
      entry: { type: 'string', multiple: true, default: [] },
      'node-flags': { type: 'string', default: '' },
      'quiet-wait': { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { quick } = values;
  const chosen = list(values.scenarios);
  for (const name of chosen ?? []) {
    if (!scenarios.some((scenario) => scenario.name === name)) throw new Error(`there is no scenario ${name}`);
  }
  return {
    rounds: positive('--rounds', values.rounds, quick ? 1 : 5),
    seconds: positive('--seconds', values.seconds, quick ? 1 : 5),
    warmFactor: quick ? 0 : 1,
    quietWaitMs: values['quiet-wait'] === undefined ? (quick ? 0 : 5000) : Number(values['quiet-wait']) * 1000,
    idleClients: quick ? 200 : 1000,
    settleMs: quick ? 200 : 1500,
    holdSeconds: quick ? 3 : 6,
    startsPerRound: quick ? 1 : 5,
    scenarios: chosen,
    peers: list(values.peers) ?? (quick ? ['carpool', 'nginx', 'haproxy', 'envoy'] : null),
    subject: values.subject,
    json: values.json ?? null,
    entries: values.entry.map(entryOf),
    nodeFlags: values['node-flags'].split(' ').filter((flag) => flag !== ''),
  };
}

function list(text: string | undefined): readonly string[] | null {
  return text === undefined || text === 'all' ? null : text.split(',').map((name) => name.trim());
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} wants a whole number above 0, not ${text}`);
  return value;
}

function entryOf(text: string): ExtraEntry {
  const [name, entry] = text.split('=', 2);
  if (!name || !entry) throw new Error(`--entry wants NAME=FILE, not ${text}`);
  return { name, entry };
}
