import type { Discovery, EndpointSink, EndpointSpec, EndpointSubscription } from '../../src/discovery/discovery.ts';

/** A source of endpoints that says what the test says, when the test says it. */
export class FakeDiscovery implements Discovery {
  /** Told at once to each subscriber; null: the test tells later. */
  answer: readonly EndpointSpec[] | null;
  readonly sinks = new Map<string, EndpointSink>();
  subscribed = 0;
  open = 0;
  refreshed = 0;

  constructor(answer: readonly EndpointSpec[] | null) {
    this.answer = answer;
  }

  subscribe(host: string, port: number, sink: EndpointSink): EndpointSubscription {
    this.subscribed++;
    this.open++;
    const name = `${host}:${port}`;
    this.sinks.set(name, sink);
    if (this.answer !== null) {
      for (const endpoint of this.answer) sink.add(endpoint);
      sink.settled(null);
    }
    return {
      describe: () => ({ source: 'dns', state: 'ready', error: null, ageMs: 0 }),
      refresh: () => {
        this.refreshed++;
      },
      close: () => {
        this.open--;
        if (this.sinks.get(name) === sink) this.sinks.delete(name);
      },
    };
  }

  sink(name: string): EndpointSink {
    const sink = this.sinks.get(name);
    if (sink === undefined) throw new Error(`nobody asked for ${name}`);
    return sink;
  }
}
