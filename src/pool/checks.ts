import type { Clock } from '../clock.ts';
import type { Connecting } from './connecting.ts';
import type { Checked, EndpointPool } from './endpoint-pool.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { PoolCore } from './pool-core.ts';

/**
 * What active health checks do to a pool. An endpoint that fails them is out of rotation and drained, but only while
 * another one serves: when none is fit all of them take requests, and keep their connections. One that passes again
 * takes requests slowly (routing/slow-start.ts), by connections that they open.
 */
export class Checks {
  readonly #pool: PoolCore;
  readonly #connecting: Connecting;
  readonly #evidence: EndpointEvidence;
  readonly #clock: Clock;
  #someFail = false;

  constructor(pool: PoolCore, connecting: Connecting, evidence: EndpointEvidence, clock: Clock) {
    this.#pool = pool;
    this.#connecting = connecting;
    this.#evidence = evidence;
    this.#clock = clock;
  }

  /** @param checked null: it is not checked any more */
  set(endpoint: EndpointPool, checked: Checked): void {
    const before = endpoint.checked;
    endpoint.checked = checked;
    // A first good check moves nobody: until one says otherwise an endpoint takes requests.
    if ((before === 'failing') === (checked === 'failing')) return;
    if (checked === 'passing') endpoint.newSince = this.#clock.now();
    const { endpoints, rotation } = this.#pool;
    this.#someFail = endpoints.some((each) => each.checked === 'failing');
    this.#evidence.keepCap(endpoints);
    rotation.update(endpoints);
    this.#drain();
    this.#connecting.rotationChanged();
  }

  /** A check has just connected to the endpoint: what its failed connects said is over. */
  reachable(endpoint: EndpointPool): void {
    if (this.#pool.holds(endpoint)) this.#evidence.connected(endpoint);
  }

  /** Once a second: whether a failing endpoint is the last resort changes with the others, whatever moves them. */
  tick(): void {
    if (this.#someFail) this.#drain();
  }

  #drain(): void {
    for (const endpoint of this.#pool.endpoints) {
      if (endpoint.checked !== 'failing' || this.#pool.rotation.candidates.includes(endpoint)) continue;
      this.#connecting.cancelTo(endpoint);
      endpoint.retireAll('health_check', false);
    }
  }
}
