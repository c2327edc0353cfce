import type { Test } from 'tap';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { CaseOrigin } from './case-origin.ts';
import { Caller, cutAt, settle } from './client-exchange.ts';
import { readRequests, readResponses, type StrictMessage, seenByOrigin } from './strict-reader.ts';

/** One input for the relay. `$HOST` in it stands for the origin's authority. */
export type RequestCase = {
  readonly name: string;
  readonly bytes: string;
  /** `local`: sent to the destination's local port; `proxy`: to the main port. */
  readonly way: 'local' | 'proxy';
  /** Offsets at which it is split besides being sent whole; null: at every one. */
  readonly splits: readonly number[] | null;
};

/** What the relay did with a case that was sent whole. */
export type Outcome = {
  readonly case: RequestCase;
  /** The status of the last answer that carpool gave itself, or null. */
  readonly refusal: number | null;
  /** Whether everything that the strict reader found in it came to the origin. */
  readonly forwarded: boolean;
  /** How many messages the strict reader found, and whether it read to the end of the input. */
  readonly messages: number;
  readonly wellFormed: boolean;
  readonly malformed: boolean;
};

type Job = { readonly case: RequestCase; readonly offset: number };
type Lane = { readonly origin: CaseOrigin; readonly host: string; readonly local: number };

const PROBE: RequestCase = {
  name: 'the probe after the cases',
  bytes: 'GET /probe HTTP/1.1\r\nHost: $HOST\r\n\r\n',
  way: 'local',
  splits: [],
};

const LANES = 48;
const MAX_FAILURES = 20;

/** Sends cases through one sidecar, many at a time, and judges each by the strict reader and the answers' ids. */
export class RequestLanes {
  readonly failures: string[] = [];
  readonly outcomes: Outcome[] = [];
  sent = 0;
  /** Answers of origins that clients received. */
  answers = 0;
  readonly sidecar: Sidecar;
  readonly lanes: readonly Lane[];

  private constructor(sidecar: Sidecar, lanes: readonly Lane[]) {
    this.sidecar = sidecar;
    this.lanes = lanes;
  }

  static async start(t: Test): Promise<RequestLanes> {
    const origins = await Promise.all(
      Array.from({ length: LANES }, async () => {
        const origin = new CaseOrigin();
        return { origin, port: await origin.listen(t) };
      }),
    );
    const destinations = origins.map(({ port }) => ({
      match: `127.0.0.1:${port}`,
      localPort: 0,
      endpoints: [`127.0.0.1:${port}`],
    }));
    const sidecar = await startSidecar(t, { destinations });
    const lanes = origins.map(({ origin, port }) => {
      const host = `127.0.0.1:${port}`;
      const local = sidecar.localPorts.find(({ destination }) => destination === host);
      if (local === undefined) throw new Error(`no local port for ${host}`);
      return { origin, host, local: local.port };
    });
    return new RequestLanes(sidecar, lanes);
  }

  async run(cases: readonly RequestCase[]): Promise<void> {
    const jobs = eachJob(cases);
    await Promise.all(this.lanes.map((lane) => this.#runLane(lane, jobs)));
  }

  async #runLane(lane: Lane, jobs: Iterator<Job>): Promise<void> {
    for (let next = jobs.next(); !next.done && this.failures.length < MAX_FAILURES; next = jobs.next()) {
      await this.#runJob(lane, next.value);
    }
    // Whatever came late, or was left on a pooled connection, shows here.
    await this.#runJob(lane, { case: PROBE, offset: 0 });
  }

  async #runJob(lane: Lane, job: Job): Promise<void> {
    this.sent++;
    const bytes = job.case.bytes.replaceAll('$HOST', lane.host);
    const strict = readRequests(bytes);
    const expected = strict.messages.map((message) => seenByOrigin(message, lane.host));
    const methods = strict.messages.map(({ method }) => method);
    const caller = new Caller(job.case.way === 'local' ? lane.local : this.sidecar.port);
    await caller.connected();
    await caller.send(cutAt(bytes, job.offset));
    await caller.until(({ ended, received }) => ended || finalsIn(received, methods) >= methods.length);
    await caller.finish();
    await settle();
    const { requests, cut } = await lane.origin.take();
    const wrong = (what: string): void => {
      if (this.failures.length < MAX_FAILURES)
        this.failures.push(
          `${job.case.name}, ${job.case.way}, split at ${job.offset}: ${what}\n${JSON.stringify(bytes)}`,
        );
    };
    // 1. The capturing origin: a prefix of what the strict reader finds, and nothing else.
    if (lane.origin.faults.length > 0)
      wrong(`the origin read what is malformed: ${JSON.stringify(lane.origin.faults.splice(0))}`);
    for (const [index, { seen }] of requests.entries()) {
      if (seen !== expected[index])
        wrong(`the origin read ${JSON.stringify(seen)} and not ${JSON.stringify(expected[index] ?? 'nothing')}`);
    }
    for (const partial of cut) {
      if (
        strict.partialBody === null
          ? !bodyBegins(strict.messages[requests.length], partial)
          : !strict.partialBody.startsWith(partial)
      ) {
        wrong(`the origin got part of a body that the input has not: ${JSON.stringify(partial)}`);
      }
    }
    // 2. The ids: each answer belongs to its question.
    // Of a request that cannot be read the method may still be known: HEAD is refused without a body.
    const unread = /^(?:\r\n)?HEAD /.test(bytes.slice(strict.consumed)) ? ['HEAD'] : [];
    const asHead = readResponses(caller.received, [...methods, ...unread], true);
    const answers = asHead.end === 'malformed' ? readResponses(caller.received, methods, true) : asHead;
    const finals = answers.messages.filter(({ status }) => status >= 200);
    for (const [index, { id, message }] of requests.entries()) {
      const answer = finals[index];
      const got = answer?.fields.find(([name]) => name === 'X-Answer')?.[1];
      if (answer?.status !== 200 || got !== id || (message.method !== 'HEAD' && answer.body !== id))
        wrong(`answer ${index} is ${got} and not ${id}`);
      else this.answers++;
    }
    const own = finals.slice(requests.length);
    if (own.length > 1 || own.some(({ fields }) => !fields.some(([name]) => name === 'proxy-status'))) {
      wrong(`answers that belong to no request: ${JSON.stringify(own)}`);
    }
    if (answers.end === 'malformed' || answers.end === 'incomplete')
      wrong(`the client got what cannot be read: ${JSON.stringify(caller.received)}`);
    if (job.offset === 0 && job.case !== PROBE) {
      const wellFormed = strict.end === 'complete' || strict.end === 'closed';
      const forwarded = requests.length === expected.length;
      this.outcomes.push({
        case: job.case,
        refusal: own.at(-1)?.status ?? null,
        forwarded,
        messages: expected.length,
        wellFormed,
        malformed: strict.end === 'malformed',
      });
    }
  }

  /** 3. The counts: what origins answered is what clients received and what carpool counted. */
  async reconcile(t: Test): Promise<void> {
    const answered = this.lanes.reduce((sum, { origin }) => sum + origin.answered, 0);
    t.equal(this.answers, answered, 'every answer of an origin came to the client that had asked');
    const page = await (await fetch(`http://127.0.0.1:${this.sidecar.operatorPort}/metrics`)).text();
    const counted = [...page.matchAll(/^carpool_requests_total\{([^}]*)\} (\d+)$/gm)]
      .filter(([, labels]) => labels?.includes('2xx'))
      .reduce((sum, [, , count]) => sum + Number(count), 0);
    t.equal(counted, answered, 'carpool counted as many');
    let idle = 0;
    for (const stats of this.sidecar.app.destinations()) {
      idle += stats.idle;
      t.equal(
        stats.active + stats.connecting + stats.draining + stats.pending,
        0,
        `${stats.name} holds nothing any more`,
      );
    }
    t.equal(
      idle,
      this.lanes.reduce((sum, { origin }) => sum + origin.connections, 0),
      'open connections are the idle ones of the pools',
    );
  }
}

function* eachJob(cases: readonly RequestCase[]): Generator<Job> {
  for (const each of cases) {
    yield { case: each, offset: 0 };
    if (each.splits !== null) for (const offset of each.splits) yield { case: each, offset };
    // The host stands for itself here: its length differs by no more than a digit of a port.
    else
      for (let offset = 1; offset < each.bytes.replaceAll('$HOST', '127.0.0.1:12345').length; offset++)
        yield { case: each, offset };
  }
}

const bodyBegins = (message: StrictMessage | undefined, partial: string): boolean =>
  message?.body.startsWith(partial) ?? partial === '';

const finalsIn = (received: string, methods: readonly string[]): number =>
  readResponses(received, methods, false).messages.filter(({ status }) => status >= 200).length;
