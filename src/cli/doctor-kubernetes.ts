import type { Clock } from '../clock.ts';
import { ApiError, type KubeApi, servicePath, slicesPath } from '../discovery/kubernetes/kube-api.ts';
import { listItems, readSlice } from '../discovery/kubernetes/read-objects.ts';
import { zoneOfNode } from '../discovery/kubernetes/select-endpoints.ts';
import { inTime, type OpenApi, openApi, tryWatch } from './doctor-api.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { tokenExpiry } from './doctor-token.ts';

/** No such namespace and no such Service: only whether one may ask is of interest. */
const ANY_NAMESPACE = 'carpool-doctor';
/** Slices that are looked through for the zone of the node. */
const MAX_SLICES = 200;

/** Kubernetes discovery: is it on, can the API server be reached, and does it allow what is asked of it? */
export async function checkKubernetes(
  context: DoctorContext,
  findings: FindingSink,
  stopped: AbortSignal,
): Promise<void> {
  const opened = await openApi(context, stopped);
  if (opened.kind === 'off') {
    findings.ok('discovery.kubernetes.enabled is off: names are found by DNS');
    return;
  }
  if (opened.kind === 'absent') {
    absent(context, findings);
    return;
  }
  if (opened.kind === 'refused') {
    findings.fail(opened.error.message, opened.error.hint);
    return;
  }
  const { access } = opened;
  checkToken(access, context, findings);
  const reached = await reachable(access, context, findings);
  if (reached) await checkRights(access, context, findings);
  await checkPlace(access, reached, context, findings);
}

/** `auto`, and nothing to use. */
function absent({ config, env }: DoctorContext, findings: FindingSink): void {
  const { apiServer, tokenDir } = config.discovery.kubernetes;
  if ((env.KUBERNETES_SERVICE_HOST ?? '') === '' && apiServer === null)
    findings.ok('not used: this is not a pod (KUBERNETES_SERVICE_HOST is not set), and no kubeconfig is named');
  else
    findings.warn(
      `not used: there is no token in ${tokenDir}, so Services are found by DNS`,
      'Mount a projected volume with serviceAccountToken, kube-root-ca.crt and the namespace there in the carpool container, or set discovery.kubernetes.tokenDir.',
    );
}

function checkToken({ source, token }: OpenApi, { clock }: DoctorContext, findings: FindingSink): void {
  const expiry = token === null ? null : tokenExpiry(token);
  if (expiry !== null && expiry <= clock.wall())
    findings.warn(
      `the token expired at ${new Date(expiry).toISOString()} (${source})`,
      'The kubelet renews a projected token (serviceAccountToken with expirationSeconds): look at its mount and at the node’s clock; a copied token has to be made anew.',
    );
  else {
    const until = expiry === null ? '' : `; the token is good until ${new Date(expiry).toISOString()}`;
    findings.ok(`credentials: ${source}${until}`);
  }
}

/** Whether there is an API server that knows us. */
async function reachable({ api, server }: OpenApi, { clock }: DoctorContext, findings: FindingSink): Promise<boolean> {
  try {
    const version: unknown = await inTime(api.get('/version'), clock);
    const words = typeof version === 'object' && version !== null ? Reflect.get(version, 'gitVersion') : null;
    if (typeof words !== 'string')
      throw new ApiError('not_an_api', `${server} answers, but not as a Kubernetes API`, NOT_AN_API);
    findings.ok(`${server} answers: Kubernetes ${words}`);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A Status, whatever it says, is how a Kubernetes API answers.
    if (error.kind === 'forbidden' || error.kind === 'not_found') {
      findings.ok(`${server} answers, though not about its version`);
      return true;
    }
    findings.fail(error.message, error.hint);
    return false;
  }
}

const NOT_AN_API = 'Look at KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, or at discovery.kubernetes.apiServer.';

/** What a Role has to allow. */
type Right = { readonly verb: 'get' | 'list' | 'watch'; readonly resource: 'services' | 'endpointslices' };

/** Each takes a few calls. */
const MAX_NAMESPACES = 20;

async function checkRights(access: OpenApi, context: DoctorContext, findings: FindingSink): Promise<void> {
  const { namespaces } = context.config.discovery.kubernetes;
  const all = [...new Set([access.namespace ?? [], namespaces].flat())].slice(0, MAX_NAMESPACES);
  const rights = await Promise.all(all.map((namespace) => rightsIn(namespace, access.api, context.clock)));
  for (const each of rights) tellRights(each, access.subject, findings);
}

type Rights = {
  readonly namespace: string;
  readonly missing: readonly Right[];
  readonly failures: readonly ApiError[];
};

/** Does what discovery does; there is no other way to know that any pod may take. */
async function rightsIn(namespace: string, api: KubeApi, clock: Clock): Promise<Rights> {
  const missing: Right[] = [];
  const failures = new Map<string, ApiError>();
  const attempt = async (verb: Right['verb'], resource: Right['resource'], call: Promise<unknown>): Promise<void> => {
    try {
      await inTime(call, clock);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.kind === 'forbidden') missing.push({ verb, resource });
      // A 404 to the Service is as good as the Service.
      else if (error.kind !== 'not_found' || resource !== 'services') failures.set(error.message, error);
    }
  };
  const name = namespace === '*' ? ANY_NAMESPACE : namespace;
  await attempt('get', 'services', api.get(servicePath(name, 'kubernetes')));
  await attempt('list', 'endpointslices', api.get(slicesPath(name), { limit: 1 }));
  await attempt('watch', 'endpointslices', tryWatch(api, name));
  return { namespace, missing, failures: [...failures.values()] };
}

function tellRights({ namespace, missing, failures }: Rights, subject: string, findings: FindingSink): void {
  const where = namespace === '*' ? 'all namespaces' : `namespace ${namespace}`;
  for (const error of failures) findings.fail(`${where}: ${error.message}`, error.hint);
  if (missing.length > 0)
    findings.fail(
      `${where}: ${missing.map(({ verb, resource }) => `${verb} ${resource}`).join(', ')} forbidden (403), so Services there are found by DNS`,
      roleFor(missing, namespace === '*' ? null : namespace, subject),
    );
  else if (failures.length === 0) findings.ok(`${where}: get services, list and watch endpointslices are allowed`);
}

/** The rules that are missing, as they stand in a Role, and to whom they belong. */
function roleFor(missing: readonly Right[], namespace: string | null, subject: string): string {
  const rule = (group: string, resource: Right['resource']): string[] => {
    const verbs = missing.filter((right) => right.resource === resource).map(({ verb }) => verb);
    if (verbs.length === 0) return [];
    return [`{apiGroups: ["${group}"], resources: [${resource}], verbs: [${verbs.join(', ')}]}`];
  };
  const rules = [...rule('', 'services'), ...rule('discovery.k8s.io', 'endpointslices')].join(', ');
  const [role, binding] = namespace === null ? ['ClusterRole', 'ClusterRoleBinding'] : ['Role', 'RoleBinding'];
  const place = namespace === null ? '' : ` in namespace ${namespace}`;
  return `Add a ${role}${place} with \`rules: [${rules}]\` and a ${binding} of it to ${subject}.`;
}

/** Where the pod is: its namespace, node and zone. */
async function checkPlace(
  access: OpenApi,
  reached: boolean,
  context: DoctorContext,
  findings: FindingSink,
): Promise<void> {
  const { node, zone } = context.config.discovery.kubernetes;
  if (access.namespace === null)
    findings.warn(
      'the pod’s own namespace is not known: only names that end in .svc or the cluster domain, or in one of discovery.kubernetes.namespaces, are looked for',
      downward('POD_NAMESPACE', 'metadata.namespace'),
    );
  if (node === null && zone === null) {
    findings.warn(
      'neither node nor zone is known: topology hints and internalTrafficPolicy: Local are ignored',
      downward('NODE_NAME', 'spec.nodeName'),
    );
    return;
  }
  if (node === null) {
    findings.warn(
      `zone ${zone}, but the node is not known: internalTrafficPolicy: Local is ignored`,
      downward('NODE_NAME', 'spec.nodeName'),
    );
    return;
  }
  const place = access.namespace === null ? `node ${node}` : `namespace ${access.namespace}, node ${node}`;
  const found = zone ?? (reached ? await zoneBySlices(access.api, access.namespace, node, context) : null);
  if (found !== null) findings.ok(`${place}, zone ${found}`);
  else if (!reached) findings.ok(`${place}; EndpointSlices may tell the zone`);
  else
    findings.warn(
      `node ${node}, but its zone is not known: topology hints for zones are ignored`,
      'Set CARPOOL_ZONE (discovery.kubernetes.zone), e.g. from the pod’s label topology.kubernetes.io/zone by the downward API; without it the zone is known as soon as a watched slice has an endpoint on the node.',
    );
}

const downward = (variable: string, field: string): string =>
  `Add to the env of the carpool container: \`{name: ${variable}, valueFrom: {fieldRef: {fieldPath: ${field}}}}\`.`;

/** As discovery finds it: where another pod on the node is. */
async function zoneBySlices(
  api: KubeApi,
  namespace: string | null,
  node: string,
  { clock }: DoctorContext,
): Promise<string | null> {
  if (namespace === null) return null;
  try {
    const list = await inTime(api.get(slicesPath(namespace), { limit: MAX_SLICES }), clock);
    return zoneOfNode(
      listItems(list).items.flatMap((item) => readSlice(item) ?? []),
      node,
    );
  } catch {
    // What keeps us from reading them has been told already.
    return null;
  }
}
