import { isOddAddress } from '../ip-address.ts';

/** The Service that a host name may stand for. */
export type ServiceCandidate = {
  readonly namespace: string;
  readonly service: string;
  /** The one pod of a headless Service that is meant, by its `hostname`, or null. */
  readonly hostname: string | null;
  /** false: it may as well be a name of the outside (`github.com`), so DNS is asked beside, without waiting. */
  readonly certain: boolean;
};

/** What decides which names may be Services. */
export type ServiceNames = {
  /** The pod's own namespace, where a name of one label is looked for; null: not known, so that there is none. */
  readonly ownNamespace: string | null;
  /** Further ones; `*` among them: the rights are cluster-wide, so any namespace may be asked for. */
  readonly namespaces: readonly string[];
  /** Such as `cluster.local`; empty where it is not known, and then no name is read as ending in it. */
  readonly clusterDomain: string;
};

/** A label of a DNS name: RFC 1123 section 2.1, of which Kubernetes takes the lower-case form. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** `svc.ns` or `pod.svc.ns`, whose last label is known to be a namespace. */
function qualified(labels: readonly string[], certain: boolean): ServiceCandidate | null {
  const [namespace, service, hostname, ...more] = labels.toReversed();
  if (namespace === undefined || service === undefined || more.length > 0) return null;
  return { namespace, service, hostname: hostname ?? null, certain };
}

function inNamespace(namespace: string, service: string): ServiceCandidate {
  return { namespace, service, hostname: null, certain: true };
}

/** A name that says nothing but its labels: the namespace decides. */
function unqualified(labels: readonly string[], names: ServiceNames): ServiceCandidate | null {
  const [first, ...others] = labels;
  const namespace = others.at(-1);
  if (first !== undefined && namespace === undefined)
    return names.ownNamespace === null ? null : inNamespace(names.ownNamespace, first);
  if (namespace === names.ownNamespace || (namespace !== undefined && names.namespaces.includes(namespace)))
    return qualified(labels, true);
  // Of the names with three labels, far more are names of the outside (www.example.com) than pods of other namespaces.
  return labels.length === 2 && names.namespaces.includes('*') ? qualified(labels, false) : null;
}

/** `name` without `end`, or null where it does not end in it. */
function without(name: string, end: string): string | null {
  return name.endsWith(end) ? name.slice(0, -end.length) : null;
}

/**
 * Reads a host name as the name of a Service: `svc`, `svc.ns`, `svc.ns.svc`, `svc.ns.svc.<cluster domain>`, and with a
 * pod's hostname before each form that has a namespace. A trailing dot makes a name absolute, so that only the form
 * with the cluster domain is a Service then.
 * @param host lower case; an IP literal without brackets
 * @returns null where it is none, or one in a namespace that is neither the pod's own nor listed
 */
export function parseServiceName(host: string, names: ServiceNames): ServiceCandidate | null {
  const absolute = host.endsWith('.');
  const name = absolute ? host.slice(0, -1) : host;
  // An address in its plain form has too many labels, or none that would do.
  if (isOddAddress(name)) return null;
  const labels = name.split('.');
  if (labels.at(-1) === 'localhost' || !labels.every((label) => LABEL.test(label))) return null;

  const domain = names.clusterDomain.toLowerCase().replace(/\.$/, '');
  const full = without(name, `.svc.${domain}`);
  if (full !== null) return qualified(full.split('.'), true);
  if (absolute) return null;
  // `svc.svc` is a Service in a namespace of that name, if there is one: the short form needs svc, ns and `svc`.
  if (labels.length >= 3 && labels.at(-1) === 'svc') return qualified(labels.slice(0, -1), true);
  return unqualified(labels, names);
}

/**
 * Whether a name may be a Service of the pod's own namespace, which is not known yet: whether it would be one if that
 * were the namespace that stands last in it.
 * @param host as for `parseServiceName`
 */
export function mayBeOwnService(host: string, names: ServiceNames): boolean {
  return parseServiceName(host, { ...names, ownNamespace: host.slice(host.lastIndexOf('.') + 1) }) !== null;
}
