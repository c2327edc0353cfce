import { EventEmitter, once } from 'node:events';
import { ProblemLog } from '../../../src/discovery/kubernetes/discovery-log.ts';
import type { KubeApi } from '../../../src/discovery/kubernetes/kube-api.ts';
import { NamespaceWatch } from '../../../src/discovery/kubernetes/namespace-watch.ts';
import { startClient } from './api-fixture.ts';
import type { ApiServerOptions } from './scripted-api-server.ts';

type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };

/** The watch of namespace shop by the real client, with random = 0.5, over sockets to the scripted API server. */
export async function startWatch(t: Teardown, options: ApiServerOptions = {}) {
  const { client, clock, server, tokenDir } = await startClient(t, options);
  const changed = new EventEmitter();
  changed.setMaxListeners(0);
  const log: string[] = [];
  const changes: string[] = [];
  const problems = new ProblemLog({
    info: (message) => log.push(`info ${message}`),
    warn: (message) => log.push(`warn ${message}`),
  });
  let opened = 0;
  let failures = 0;
  // Told when the watch has heard of it too.
  const failed = () =>
    setImmediate(() => {
      failures++;
      changed.emit('change');
    });
  const counted: KubeApi = {
    get: (path, query) =>
      client.get(path, query).catch((error: unknown) => {
        failed();
        throw error;
      }),
    watch: (path, query, handlers) =>
      client.watch(path, query, {
        opened: () => {
          opened++;
          handlers.opened();
          changed.emit('change');
        },
        event: (type, object, readAt) => {
          handlers.event(type, object, readAt);
          changed.emit('change');
        },
        ended: (error) => {
          handlers.ended(error);
          if (error !== null) failed();
        },
      }),
    reconnect: () => client.reconnect(),
    close: () => client.close(),
  };
  const watch = new NamespaceWatch({
    namespace: 'shop',
    api: () => Promise.resolve(counted),
    clock,
    random: () => 0.5,
    problems,
    onChange: (service) => {
      changes.push(service);
      changed.emit('change');
    },
    onState: () => changed.emit('change'),
  });
  t.teardown(() => watch.close());
  /** Waits until `condition` holds, looking each time when the watch has told something. */
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await once(changed, 'change');
  };
  const addresses = (service: string) =>
    watch.slices(service)?.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)) ?? null;
  return {
    clock,
    server,
    tokenDir,
    watch,
    log,
    changes,
    until,
    addresses,
    /** Watches that were opened so far, as the client sees it. */
    opened: () => opened,
    /** Lists and watches that failed so far, likewise. */
    failures: () => failures,
    /** Waits until the Service has this one address. */
    untilAddress: (service: string, address: string) => until(() => addresses(service)?.join() === address),
    /** The list requests so far. */
    lists: () => server.requestsOf({ verb: 'list' }),
    watches: () => server.requestsOf({ verb: 'watch' }),
  };
}
