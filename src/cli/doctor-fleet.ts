import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { ApiError, servicePath, slicesPath } from '../discovery/kubernetes/kube-api.ts';
import { SERVICE_NAME_LABEL } from '../discovery/kubernetes/objects.ts';
import { listItems, readSlice } from '../discovery/kubernetes/read-objects.ts';
import { podsOf } from '../fleet/peers.ts';
import { inTime, openApi } from './doctor-api.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';

const TIMEOUT_MS = 3000;
const MAX_SLICES = 100;

/** The coordinator of the fleet: does it answer, and does the budget go round? */
export async function checkFleet(context: DoctorContext, findings: FindingSink, stopped: AbortSignal): Promise<void> {
  if (context.config.fleet.coordinator === 'redis') await checkRedis(context, findings);
  else await checkPeers(context, findings, stopped);
}

/** A PING by the client that the sidecar uses, as the user that it is there. */
async function checkRedis({ config, clock }: DoctorContext, findings: FindingSink): Promise<void> {
  const [{ openRedis, redisAddress }, { redisFailure }] = await Promise.all([
    import('../fleet/redis-connection.ts'),
    import('../fleet/redis-failure.ts'),
  ]);
  const { redis } = config.fleet;
  const where = redisAddress(redis.url ?? '');
  let close = (): void => {};
  try {
    const began = clock.now();
    await withDeadline(clock, async (lost) => {
      const connection = openRedis(redis, lost);
      close = () => connection.destroy();
      await connection.open();
      await connection.send(['PING']);
    });
    findings.ok(`Redis at ${where} answers (${Math.round(clock.now() - began)} ms)`);
  } catch (error) {
    findings.fail(
      redisFailure(error, where).message,
      'Until it answers every sidecar uses the even share, as far as the number of peers is known (docs/fleet.md).',
    );
  } finally {
    close();
  }
}

/** Rejects where `run` does, where it tells that the connection is lost, and after a few seconds. */
function withDeadline(clock: Clock, run: (lost: (error: unknown) => void) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => reject(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    run(reject)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}

async function checkPeers(context: DoctorContext, findings: FindingSink, stopped: AbortSignal): Promise<void> {
  const { config, clock } = context;
  const opened = await openApi(context, stopped);
  if (opened.kind !== 'used') {
    findings.fail(
      'fleet.coordinator is kubernetes, and the API server is not used: the number of peers is not known',
      'See what is said of Kubernetes here; or set fleet.coordinator: redis.',
    );
    return;
  }
  const { api, namespace: own } = opened.access;
  const [name = '', namespace = own ?? 'default'] = (config.fleet.service ?? '').split('.');
  try {
    await inTime(api.get(servicePath(namespace, name)), clock);
    const list = await inTime(
      api.get(slicesPath(namespace), { labelSelector: `${SERVICE_NAME_LABEL}=${name}`, limit: MAX_SLICES }),
      clock,
    );
    const slices = listItems(list).items.flatMap((item) => readSlice(item) ?? []);
    const peers = [...podsOf(slices, []).values()].filter(({ ready }) => ready).length;
    tellPeers(`Service ${namespace}/${name}`, peers, config, findings);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.kind === 'not_found')
      findings.fail(
        `there is no Service ${namespace}/${name}, so nobody is a peer`,
        'Set fleet.service to the Service of this workload itself; a headless one will do.',
      );
    else findings.fail(error.message, error.hint);
  }
}

function tellPeers(service: string, peers: number, config: Config, findings: FindingSink): void {
  if (peers === 0) {
    findings.warn(
      `${service} has no ready endpoint, so this sidecar counts as the only one`,
      'Look at its selector: it has to be the Service of this workload. Before its pods are ready this is no fault.',
    );
    return;
  }
  const budgets = config.destinations.map(({ policy }) => policy.fleetMaxConnections);
  const smallest = Math.min(...[...budgets, config.fleet.maxConnections].filter((budget) => budget !== null));
  const words = `${service} has ${peers} ready endpoint${peers === 1 ? '' : 's'}: the peers`;
  if (smallest < peers)
    findings.warn(
      `${words}; a budget of ${smallest} does not go round`,
      'Sidecars without a share refuse every request: set fleet.maxConnections to the number of pods at least.',
    );
  else findings.ok(words);
}
