import { setTimeout as wait } from 'node:timers/promises';
import { textAt } from '../cluster/json.ts';
import { isInjected, type WebhookStage } from './webhook-stage.ts';

/** Creates pods one after the other at a rate, without waiting for one before the next, until it is ended. */
export class PodStream {
  readonly #stage: WebhookStage;
  readonly #running = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #ended = false;
  #created = 0;
  readonly #bare: string[] = [];

  private constructor(stage: WebhookStage, perSecond: number) {
    this.#stage = stage;
    this.#loop = this.#run(1000 / perSecond);
  }

  static start(stage: WebhookStage, perSecond: number): PodStream {
    return new PodStream(stage, perSecond);
  }

  /** How many were made, and which of them without a sidecar: name and time. */
  async end(): Promise<{ readonly created: number; readonly bare: readonly string[] }> {
    this.#ended = true;
    await this.#loop;
    await Promise.all(this.#running);
    return { created: this.#created, bare: this.#bare };
  }

  async #run(everyMs: number): Promise<void> {
    while (!this.#ended) {
      const one = this.#create().finally(() => this.#running.delete(one));
      this.#running.add(one);
      await wait(everyMs);
    }
  }

  async #create(): Promise<void> {
    const pod = await this.#stage.createPod({});
    this.#created++;
    if (!isInjected(pod)) this.#bare.push(`${textAt(pod, 'metadata', 'name')} at ${new Date().toISOString()}`);
  }
}
