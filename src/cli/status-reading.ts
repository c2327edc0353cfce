import { type CliDeps, CliError } from './deps.ts';
import { call, type Reply, showTarget, type Target } from './http-call.ts';
import { type JsonObject, listAt, objectAt, parseObject, textAt } from './json-reader.ts';
import { explainUnknown } from './unknown-destination.ts';

/** How long one answer may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Who is asked, and what ends the asking early. */
export type Asking = {
  readonly target: Target;
  readonly deps: Pick<CliDeps, 'clock'>;
  readonly stopped: AbortSignal | undefined;
};

/**
 * The answer at `path`, of one destination or of all.
 * @throws CliError that says what to do: no sidecar, no such destination, a sidecar that is too old
 */
export async function ask(asking: Asking, path: string, destination: string | null): Promise<JsonObject> {
  const { target } = asking;
  const reply = await get(asking, withDestination(path, destination));
  const answer = parseObject(reply.body, showTarget(target));
  if (reply.status === 200) return answer;
  const code = textAt(answer, 'code');
  const said = `${textAt(answer, 'message') || `status ${reply.status}`}\n${textAt(answer, 'hint')}`.trim();
  if (code === 'NO_SUCH_DESTINATION' && destination !== null)
    throw new CliError(explainUnknown(said, destination, await namesOf(asking)));
  if (reply.status === 404 && code === 'NOT_FOUND')
    throw new CliError(
      `the sidecar at ${showTarget(target)} is older than this program: it has no ${path.replace(/\?.*/, '')}\nUse the carpool of its own container (kubectl exec POD -c carpool -- carpool …), or upgrade the sidecar.`,
    );
  throw new CliError(said);
}

/** Without the points of the page's curves, which are most of the answer. */
const STATUS = '/status?history=none';

/** `/status`: what a person should know, one row for each destination, errors, events. */
export function askStatus(asking: Asking): Promise<JsonObject> {
  return ask(asking, STATUS, null);
}

/** What the sidecar finds the matter, the worst first; nothing where it is too old to say. */
export async function askFindings(asking: Asking, destination: string | null): Promise<JsonObject[]> {
  const { status, body } = await get(asking, STATUS);
  return status === 200 ? findingsIn(parseObject(body, showTarget(asking.target)), destination) : [];
}

/** The findings of an answer: those of one destination and after them those of the sidecar as a whole, or all. */
export function findingsIn(status: JsonObject, destination: string | null): JsonObject[] {
  const findings = listAt(status, 'findings');
  if (destination === null) return findings;
  const names = namesAndLabels(status, destination);
  const own = findings.filter((finding) => names.has(textAt(finding, 'destination')));
  return [...own, ...findings.filter((finding) => typeof finding.get('destination') !== 'string')];
}

/** What a destination may stand under where it is called `destination`: its name, and its metric label. */
export function namesAndLabels(status: JsonObject, destination: string): ReadonlySet<string> {
  const names = new Set([destination]);
  for (const row of listAt(status, 'destinations'))
    if (textAt(row, 'name') === destination || textAt(row, 'label') === destination)
      names.add(textAt(row, 'name')).add(textAt(row, 'label'));
  return names;
}

/** @throws CliError where no destination has that name or label: it says which was probably meant */
export function refuseUnknown(status: JsonObject, destination: string): void {
  const rows = listAt(status, 'destinations');
  if (rows.some((row) => textAt(row, 'name') === destination || textAt(row, 'label') === destination)) return;
  const said = `no destination is called ${destination}\nDestinations are named host:port, as the app calls them; carpool pools lists them.`;
  throw new CliError(
    explainUnknown(
      said,
      destination,
      rows.map((row) => textAt(row, 'name')),
    ),
  );
}

/** Names of the destinations that there are; none where they cannot be had. */
export async function namesOf(asking: Asking): Promise<string[]> {
  try {
    const { status, body } = await get(asking, STATUS);
    return status === 200 ? listAt(parseObject(body, ''), 'destinations').map((row) => textAt(row, 'name')) : [];
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
}

/** How long the sidecar has been up, in milliseconds, or null. */
export function uptimeIn(answer: JsonObject): number | null {
  for (const part of ['sidecar', 'process']) {
    const uptime = objectAt(answer, part).get('uptimeMs');
    if (typeof uptime === 'number') return uptime;
  }
  return null;
}

function get({ target, deps, stopped }: Asking, path: string): Promise<Reply> {
  const signal = stopped === undefined ? {} : { stopped };
  return call(target, { method: 'GET', path, timeoutMs: TIMEOUT_MS, ...signal }, deps.clock);
}

function withDestination(path: string, destination: string | null): string {
  return destination === null ? path : `${path}?destination=${encodeURIComponent(destination)}`;
}
