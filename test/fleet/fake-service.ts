import type { FollowedService } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';
import type { SliceFacts } from '../../src/discovery/kubernetes/objects.ts';

type Pod = {
  readonly address: string;
  readonly uid?: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
};

/** One EndpointSlice with these pods. */
export function pods(...given: readonly Pod[]): SliceFacts[] {
  return [
    {
      namespace: 'shop',
      name: 'web-1',
      service: 'web',
      family: 4,
      ports: [],
      problems: [],
      endpoints: given.map(({ address, uid = `uid-${address}`, ready = true, terminating = false }) => ({
        address,
        ready: ready && !terminating,
        serving: ready,
        terminating,
        hostname: null,
        nodeName: null,
        zone: null,
        uid,
        pod: null,
        forZones: null,
        forNodes: null,
      })),
    },
  ];
}

/** `10.0.0.1` and so on. */
export const numbered = (count: number): Pod[] =>
  Array.from({ length: count }, (_, i) => ({ address: `10.0.0.${i + 1}` }));

/** What Kubernetes discovery would tell of the Service. */
export class FakeService {
  problem: { readonly message: string; readonly hint: string } | null = null;
  /** Whether its name can be followed. */
  known = true;
  followed = 0;
  #slices: readonly SliceFacts[] | null = null;
  #changed: (() => void) | null = null;

  readonly follow = (_service: string, changed: () => void): FollowedService | null => {
    if (!this.known) return null;
    this.followed++;
    this.#changed = changed;
    return {
      slices: () => this.#slices,
      problem: () => this.problem,
      close: () => {
        this.followed--;
        this.#changed = null;
      },
    };
  };

  tell(slices: readonly SliceFacts[]): void {
    this.#slices = slices;
    this.#changed?.();
  }
}
