/**
 * A tunnel's place in the account of its endpoint and in `limits.maxConnections`. Whoever runs the tunnel gives it back
 * by `closed`, and says by `onCut` how the tunnel is ended from here.
 */
export class TunnelPlace {
  /** Ends the tunnel now, so that both peers can see that it was cut. Set by who runs it. */
  onCut: () => void = () => {};
  /** Hears that the tunnel is closed, once; null: nobody asks. */
  onClosed: (() => void) | null = null;
  #release: (() => void) | null;

  /** @param release called once, when the tunnel is closed */
  constructor(release: () => void) {
    this.#release = release;
  }

  /** The tunnel is closed on both sides. A second call does nothing. */
  closed(): void {
    const release = this.#release;
    this.#release = null;
    if (release === null) return;
    release();
    this.onClosed?.();
  }
}
