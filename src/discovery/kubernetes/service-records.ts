import type { Clock } from '../../clock.ts';
import { LookupQueue } from '../lookup-queue.ts';
import type { ProblemLog } from './discovery-log.ts';
import { ApiError, type KubeApi } from './kube-api.ts';
import { ServiceRecord } from './service-record.ts';

export type ServiceRecordsOptions = {
  readonly api: () => Promise<KubeApi>;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  readonly problems: ProblemLog;
  /** There is another answer about a Service, or the same with other facts. */
  readonly changed: (record: ServiceRecord) => void;
};

/** GETs of Services at a time. */
const MAX_LOOKUPS = 8;
/** Answers about names that nobody uses at the moment; the oldest goes first. */
const MAX_REMEMBERED = 1024;

/** What the API server said about Services, one record for each, and the line in the log about those that cannot be read. */
export class ServiceRecords {
  readonly #options: ServiceRecordsOptions;
  readonly #queue = new LookupQueue(MAX_LOOKUPS);
  /** By `namespace/name`. */
  readonly #records = new Map<string, ServiceRecord>();

  constructor(options: ServiceRecordsOptions) {
    this.#options = options;
  }

  /** The record of a Service; it is asked for where there is none yet. */
  open(namespace: string, service: string): ServiceRecord {
    const key = `${namespace}/${service}`;
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    this.#forgetOldest();
    const { api, clock, random, changed } = this.#options;
    const record = new ServiceRecord(namespace, service, {
      api,
      queue: this.#queue,
      clock,
      random,
      changed,
      expired: (old) => this.forget(old),
    });
    this.#records.set(key, record);
    return record;
  }

  /** By `namespace/name`. */
  get(key: string): ServiceRecord | undefined {
    return this.#records.get(key);
  }

  /** Whether one that was never read could not be read last time. */
  get failed(): boolean {
    for (const { answer } of this.#records.values()) if (answer.kind === 'failed') return true;
    return false;
  }

  /** Asks again for those that could not be read. */
  askFailed(): void {
    for (const record of this.#records.values()) if (record.error !== null) record.askAgain();
  }

  /** Asks again for those that were absent. */
  askAbsent(): void {
    for (const record of this.#records.values()) if (record.answer.kind === 'absent') record.askAgain();
  }

  forget(record: ServiceRecord): void {
    const { namespace, name } = record;
    record.close();
    this.#records.delete(`${namespace}/${name}`);
    const { problems } = this.#options;
    const subject = subjectOf(namespace);
    if (problems.get(subject) !== null && !this.#failing(namespace)) problems.forget(subject);
  }

  /** Says in the log what is wrong with the record, or that nothing is any more. */
  report({ namespace, error }: ServiceRecord): void {
    const { problems } = this.#options;
    const subject = subjectOf(namespace);
    const before = problems.get(subject);
    // The API server's words name the Service: one line for the namespace, not one for each.
    if (error !== null && !(before instanceof ApiError && before.kind === error.kind)) problems.set(subject, error);
    if (error === null && before !== null && !this.#failing(namespace)) problems.clear(subject);
  }

  close(): void {
    for (const record of this.#records.values()) record.close();
    this.#records.clear();
  }

  /** Names that an app makes up must not gather here. */
  #forgetOldest(): void {
    if (this.#records.size < MAX_REMEMBERED) return;
    for (const record of this.#records.values()) {
      if (record.users > 0) continue;
      this.forget(record);
      return;
    }
  }

  /** Whether a Service of the namespace could not be read. */
  #failing(namespace: string): boolean {
    for (const record of this.#records.values())
      if (record.namespace === namespace && record.error !== null) return true;
    return false;
  }
}

const subjectOf = (namespace: string): string => `services ${namespace}`;
