import type { DestinationPolicy } from '../../src/config/types.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { type AnsweringOrigin, ok, until } from './origins.ts';
import { policyWith, type TestContext, TestRequest } from './pool-fixture.ts';

/** The default policy with some values of the pool and of scaling changed. */
export const scalingPolicy = (
  pool: Partial<DestinationPolicy['pool']>,
  scaling: Partial<DestinationPolicy['scaling']> = {},
): DestinationPolicy => {
  const policy = policyWith({ pool });
  return { ...policy, scaling: { ...policy.scaling, ...scaling } };
};

/** Requests that hold a connection each until they are let go; the origins must be silent by themselves. */
export class HeldLoad {
  readonly #pool: DestinationPool;
  readonly #context: TestContext;
  readonly #origins: readonly AnsweringOrigin[];
  readonly #held: TestRequest[] = [];
  /** The fewest idle connections that a tick has left. */
  leastIdle = Number.POSITIVE_INFINITY;
  #sent = 0;

  constructor(pool: DestinationPool, context: TestContext, origins: readonly AnsweringOrigin[]) {
    this.#pool = pool;
    this.#context = context;
    this.#origins = origins;
  }

  /** One more request, which may have to wait. */
  send(): TestRequest {
    const request = new TestRequest(`/held-${this.#sent++}`);
    this.#held.push(request);
    this.#pool.acquire(request);
    return request;
  }

  /** `count` more requests, all of which get a connection. */
  async hold(count: number): Promise<readonly TestRequest[]> {
    const requests: TestRequest[] = [];
    for (let index = 0; index < count; index++) requests.push(this.send());
    await until(() => requests.every((request) => this.#seen(request) !== undefined));
    await until(() => this.#pool.totals().connecting === 0);
    return requests;
  }

  /** `count` of them are answered, the first ones first; all of them by default. */
  async letGo(count = this.#held.length): Promise<void> {
    const going = this.#held.splice(0, count);
    for (const request of going) {
      await until(() => this.#seen(request) !== undefined);
      this.#seen(request)?.connection.write(ok('x'));
    }
    await until(() => going.every(({ ended }) => ended === 1));
  }

  #seen({ path }: TestRequest): AnsweringOrigin['requests'][number] | undefined {
    for (const { requests } of this.#origins) {
      const seen = requests.find((each) => each.path === path);
      if (seen !== undefined) return seen;
    }
    return undefined;
  }

  /** So many seconds pass, with the tick of each. */
  async seconds(count: number): Promise<void> {
    for (let second = 0; second < count; second++) {
      this.#context.clock.advance(1000);
      this.#pool.tick(this.#context.clock.now());
      this.leastIdle = Math.min(this.leastIdle, this.#pool.totals().idle);
      await until(() => this.#pool.totals().connecting === 0);
    }
  }
}
