import { parseAddressRange } from '../discovery/address-range.ts';
import { ApiError, servicePath, slicesPath } from '../discovery/kubernetes/kube-api.ts';
import { SERVICE_NAME_LABEL } from '../discovery/kubernetes/objects.ts';
import { listItems, readService, readSlice, UnreadableObject } from '../discovery/kubernetes/read-objects.ts';
import { selectEndpoints } from '../discovery/kubernetes/select-endpoints.ts';
import { parseServiceName, type ServiceCandidate } from '../discovery/kubernetes/service-name.ts';
import { inTime, type OpenApi, openApi } from './doctor-api.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';

export type Address = { readonly address: string; readonly port: number };

/** The endpoints of a destination and how they were found, or why there are none. */
export type Endpoints =
  /** `written`: they stand in the configuration. */
  | { readonly kind: 'found'; readonly how: string; readonly addresses: readonly Address[]; readonly written: boolean }
  | { readonly kind: 'failed'; readonly what: string; readonly remedy: string }
  /** The parent proxy finds them. */
  | { readonly kind: 'proxied' };

/** What the API server says about a name. */
type FoundService =
  | Endpoints
  /** DNS has the last word: about the name itself, or about the one that a Service stands for. */
  | { readonly kind: 'dns'; readonly externalName: string | null };

const BY_DNS: FoundService = { kind: 'dns', externalName: null };
/** Slices of one Service; each has up to 1,000 endpoints. */
const MAX_SLICES = 100;

/** Looks a destination up as a Service, where its name may be one and there is an API server to ask. */
export async function findService(
  context: DoctorContext,
  { host, port }: { readonly host: string; readonly port: number },
  clusterDomain: string,
  findings: FindingSink,
  stopped: AbortSignal,
): Promise<FoundService> {
  const opened = await openApi(context, stopped);
  if (opened.kind !== 'used') return BY_DNS;
  const { access } = opened;
  try {
    const { namespaces } = context.config.discovery.kubernetes;
    const ownNamespace = access.namespace;
    const candidate = parseServiceName(host, { ownNamespace, namespaces, clusterDomain });
    if (candidate !== null) return await ask(candidate, port, access, context);
    const elsewhere = parseServiceName(host, { ownNamespace, namespaces: ['*'], clusterDomain });
    if (elsewhere !== null && (await isService(elsewhere, access, context)))
      findings.warn(
        `${host} is a Service, and goes by DNS to its ClusterIP: namespace ${elsewhere.namespace} is not looked at`,
        `Add ${elsewhere.namespace} to discovery.kubernetes.namespaces, or call it ${elsewhere.service}.${elsewhere.namespace}.svc.`,
      );
    return BY_DNS;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    findings.warn(`Kubernetes does not tell, so DNS is asked: ${error.message}`, error.hint);
    return BY_DNS;
  }
}

/** Whether there is such a Service; without the right to know it may well be a name of the internet. */
async function isService(
  { namespace, service }: ServiceCandidate,
  { api }: OpenApi,
  { clock }: DoctorContext,
): Promise<boolean> {
  try {
    readService(await inTime(api.get(servicePath(namespace, service)), clock));
    return true;
  } catch (error) {
    if (error instanceof ApiError || error instanceof UnreadableObject) return false;
    throw error;
  }
}

async function ask(
  candidate: ServiceCandidate,
  port: number,
  { api }: OpenApi,
  { clock, config }: DoctorContext,
): Promise<FoundService> {
  const { namespace, service: name, hostname } = candidate;
  const how = `Service ${namespace}/${name}`;
  let object: unknown;
  try {
    object = await inTime(api.get(servicePath(namespace, name)), clock);
  } catch (error) {
    if (error instanceof ApiError && error.kind === 'not_found') return BY_DNS;
    throw error;
  }
  try {
    const service = readService(object);
    if (service.externalName !== null) return { kind: 'dns', externalName: service.externalName };
    if (hostname !== null && !service.headless) return BY_DNS;
    const list = await inTime(
      api.get(slicesPath(namespace), { labelSelector: `${SERVICE_NAME_LABEL}=${name}`, limit: MAX_SLICES }),
      clock,
    );
    const allow = config.security.allowAddresses.map(parseAddressRange);
    const slices = listItems(list).items.flatMap((item) => readSlice(item, allow) ?? []);
    if (slices.length === 0 && !service.hasSelector) return BY_DNS;
    const { node, zone } = config.discovery.kubernetes;
    const locality = { nodeName: node, zone };
    const selection = selectEndpoints({ service, slices, port, hostname, locality, preferFamily: 4 });
    if (selection.problem !== null && selection.endpoints.size === 0)
      return { kind: 'failed', what: selection.problem.message, remedy: selection.problem.hint };
    const every = [...selection.endpoints.values()];
    const ready = every.filter(({ condition }) => condition === 'ready');
    const serving = ready.length > 0 ? ready : every.filter(({ condition }) => condition === 'serving');
    if (serving.length === 0)
      return {
        kind: 'failed',
        what: `${how} has no endpoint that is ready (${every.length} not ready)`,
        remedy: `Look at its pods and their readiness: kubectl -n ${namespace} get endpointslices -l ${SERVICE_NAME_LABEL}=${name}`,
      };
    const addresses = serving.map(({ spec }) => ({ address: spec.address, port: spec.port }));
    return { kind: 'found', how, addresses, written: false };
  } catch (error) {
    if (!(error instanceof UnreadableObject)) throw error;
    return { kind: 'failed', what: `${how}: ${error.message}`, remedy: 'Mend the object, or whatever writes it.' };
  }
}
