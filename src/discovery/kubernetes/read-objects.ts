import { SocketAddress } from 'node:net';
import { type AddressRange, inRange } from '../address-range.ts';
import { deniedKind } from '../address-rules.ts';
import { parseIp } from '../ip-address.ts';
import { isJsonObject, type JsonObject, nameAt, objectAt, shown } from './json-value.ts';
import {
  SERVICE_NAME_LABEL,
  type ServiceFacts,
  type ServicePort,
  type SliceEndpoint,
  type SliceFacts,
  type SlicePort,
} from './objects.ts';

/** What was read is not the object that was asked for; `message` says in words what it is instead. */
export class UnreadableObject extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnreadableObject';
  }
}

/** What names an object. A bookmark has neither namespace nor name, only a version. */
export type ObjectMeta = {
  readonly namespace: string | null;
  readonly name: string | null;
  readonly resourceVersion: string | null;
};

/** One answer to a list call. */
export type ListedItems = {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** To ask for the rest with, or null: this is the end of the list. */
  readonly continueToken: string | null;
};

/** As many as the API allows in a slice; what is beyond is no API server's doing. */
const MAX_SLICE_ENDPOINTS = 1_000;
const MAX_PROBLEMS = 5;

/** Never throws; what is no object has nothing of a name. */
export function objectMeta(value: unknown): ObjectMeta {
  const meta = isJsonObject(value) ? objectAt(value, 'metadata') : {};
  return {
    namespace: nameAt(meta, 'namespace'),
    name: nameAt(meta, 'name'),
    resourceVersion: nameAt(meta, 'resourceVersion'),
  };
}

/**
 * Reads a List of any kind; its items have no kind of their own.
 * @throws UnreadableObject where it has no items or no version to watch from
 */
export function listItems(value: unknown): ListedItems {
  if (!isJsonObject(value)) throw new UnreadableObject(`the answer to a list call is ${shown(value)} and no object`);
  const items = value.items ?? [];
  // A Status or a single object has no items at all; an empty list may have null.
  if (!Array.isArray(items) || value.items === undefined)
    throw new UnreadableObject(`the answer to a list call is of kind ${shown(value.kind)} and has no items`);
  const { resourceVersion } = objectMeta(value);
  if (resourceVersion === null) throw new UnreadableObject('the answer to a list call has no resourceVersion');
  // As long as the server likes it: it is opaque, and goes back to nobody but the server.
  const token = objectAt(value, 'metadata').continue;
  return { items, resourceVersion, continueToken: typeof token === 'string' && token !== '' ? token : null };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function servicePorts(value: unknown): ServicePort[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isJsonObject).flatMap((port) => {
    if (!isPort(port.port)) return [];
    const name = nameAt(port, 'name') ?? '';
    const protocol = nameAt(port, 'protocol') ?? 'TCP';
    return { name, port: port.port, protocol, appProtocol: nameAt(port, 'appProtocol') };
  });
}

/** The name that an ExternalName Service stands for, lower case. */
function externalName(spec: JsonObject, subject: string): string | null {
  if (spec.type !== 'ExternalName') return null;
  const name = nameAt(spec, 'externalName')?.toLowerCase() ?? '';
  if (!/^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?\.?$/.test(name))
    throw new UnreadableObject(`${subject} stands for ${shown(spec.externalName)}, which is no host name`);
  return name;
}

/**
 * Reads a Service, as a GET answers it or as an item of a list. Ports that cannot be are left out.
 * @throws UnreadableObject where it is none, or stands for what is no name
 */
export function readService(value: unknown): ServiceFacts {
  if (!isJsonObject(value)) throw new UnreadableObject(`${shown(value)} came where a Service was asked for`);
  if ((value.kind ?? 'Service') !== 'Service')
    throw new UnreadableObject(`an object of kind ${shown(value.kind)} came where a Service was asked for`);
  const { namespace, name } = objectMeta(value);
  if (namespace === null || name === null) throw new UnreadableObject('a Service came without name or namespace');
  const subject = `Service ${namespace}/${name}`;
  if (!isJsonObject(value.spec)) throw new UnreadableObject(`${subject} has no spec`);
  const { spec } = value;
  return {
    namespace,
    name,
    uid: nameAt(objectAt(value, 'metadata'), 'uid') ?? '',
    externalName: externalName(spec, subject),
    headless: spec.clusterIP === 'None',
    hasSelector: Object.keys(objectAt(spec, 'selector')).length > 0,
    ports: servicePorts(spec.ports),
    clientIpAffinity: spec.sessionAffinity === 'ClientIP',
    localOnly: spec.internalTrafficPolicy === 'Local',
  };
}

/** What is wrong with one slice, in words: the first few of it. */
class SliceProblems {
  readonly #texts: string[] = [];
  #more = 0;

  add(text: string): void {
    if (this.#texts.length < MAX_PROBLEMS) this.#texts.push(text);
    else this.#more++;
  }

  get texts(): readonly string[] {
    return this.#more === 0 ? this.#texts : [...this.#texts, `and ${this.#more} more`];
  }
}

/** The list at `key`; null and absent are empty, as the API server writes them. */
function listAt(slice: JsonObject, key: string, problems: SliceProblems): readonly unknown[] {
  const value = slice[key] ?? [];
  if (Array.isArray(value)) return value;
  problems.add(`its ${key} are ${shown(value)} and no list`);
  return [];
}

function readSlicePort(value: unknown, problems: SliceProblems): SlicePort | null {
  if (!isJsonObject(value)) {
    problems.add(`a port is ${shown(value)}`);
    return null;
  }
  const port = value.port ?? null;
  if (port !== null && !isPort(port)) {
    problems.add(`port ${shown(port)} is not between 1 and 65535`);
    return null;
  }
  const protocol = nameAt(value, 'protocol') ?? 'TCP';
  return { name: nameAt(value, 'name') ?? '', port, protocol, appProtocol: nameAt(value, 'appProtocol') };
}

/** Why `address` cannot be that of a pod, or its one spelling. */
function checkAddress(
  address: unknown,
  family: 4 | 6,
  allow: readonly AddressRange[],
): { readonly address: string } | { readonly refused: string } {
  const ip = typeof address === 'string' ? parseIp(address) : null;
  if (typeof address !== 'string' || ip?.family !== family || ip.zone !== null)
    return { refused: `address ${shown(address)} is no IPv${family} address` };
  const kind = deniedKind(ip);
  if (kind !== null && !allow.some((range) => inRange(range, ip)))
    return { refused: `address ${address} is a ${kind} address, which no pod has` };
  // Two spellings of one address would be two endpoints.
  return { address: family === 4 ? address : new SocketAddress({ address, family: 'ipv6' }).address };
}

/** The conditions with what is missing filled in, or null where one is neither true nor false. */
function readConditions(endpoint: JsonObject): Pick<SliceEndpoint, 'ready' | 'serving' | 'terminating'> | null {
  const conditions = objectAt(endpoint, 'conditions');
  const ready = conditions.ready ?? true;
  const serving = conditions.serving ?? ready;
  const terminating = conditions.terminating ?? false;
  if (typeof ready !== 'boolean' || typeof serving !== 'boolean' || typeof terminating !== 'boolean') return null;
  return { ready, serving, terminating };
}

/** The names in a list of hints (`[{ "name": "zone-a" }]`), or null where there are none. */
function hintNames(endpoint: JsonObject, key: 'forZones' | 'forNodes'): readonly string[] | null {
  const list = objectAt(endpoint, 'hints')[key];
  if (!Array.isArray(list)) return null;
  const names = list.flatMap((hint) => (isJsonObject(hint) ? (nameAt(hint, 'name') ?? []) : []));
  return names.length > 0 ? names : null;
}

function readEndpoint(
  value: unknown,
  family: 4 | 6,
  allow: readonly AddressRange[],
  problems: SliceProblems,
): SliceEndpoint | null {
  if (!isJsonObject(value)) {
    problems.add(`an endpoint is ${shown(value)}`);
    return null;
  }
  // The API allows several and says that consumers use the first.
  const checked = checkAddress(Array.isArray(value.addresses) ? value.addresses[0] : undefined, family, allow);
  if ('refused' in checked) {
    problems.add(checked.refused);
    return null;
  }
  const conditions = readConditions(value);
  if (conditions === null) {
    problems.add(`the conditions of ${checked.address} are neither true nor false`);
    return null;
  }
  const target = objectAt(value, 'targetRef');
  return {
    address: checked.address,
    ...conditions,
    hostname: nameAt(value, 'hostname'),
    nodeName: nameAt(value, 'nodeName'),
    zone: nameAt(value, 'zone'),
    uid: nameAt(target, 'uid'),
    pod: target.kind === 'Pod' ? nameAt(target, 'name') : null,
    forZones: hintNames(value, 'forZones'),
    forNodes: hintNames(value, 'forNodes'),
  };
}

/**
 * Reads an EndpointSlice, an event's object or an item of a list. It never throws: endpoints and ports that cannot be
 * are left out, and `problems` says so.
 * @param allow `security.allowAddresses`: addresses that may be dialled although no pod has such
 * @returns null where it is of no use: of no Service, of names instead of addresses (FQDN), or no slice at all
 */
export function readSlice(value: unknown, allow: readonly AddressRange[] = []): SliceFacts | null {
  if (!isJsonObject(value) || (value.kind ?? 'EndpointSlice') !== 'EndpointSlice') return null;
  const { namespace, name } = objectMeta(value);
  const service = nameAt(objectAt(objectAt(value, 'metadata'), 'labels'), SERVICE_NAME_LABEL);
  if (namespace === null || name === null || service === null || value.addressType === 'FQDN') return null;

  const problems = new SliceProblems();
  const family = value.addressType === 'IPv6' ? 6 : 4;
  const known = value.addressType === 'IPv4' || value.addressType === 'IPv6';
  if (!known) problems.add(`its addressType is ${shown(value.addressType)}`);
  const listed = known ? listAt(value, 'endpoints', problems) : [];
  const beyond = listed.length - MAX_SLICE_ENDPOINTS;
  if (beyond > 0) problems.add(`it has ${listed.length} endpoints, and ${MAX_SLICE_ENDPOINTS} is the most a slice has`);
  const ports = listAt(value, 'ports', problems).flatMap((port) => readSlicePort(port, problems) ?? []);
  const endpoints = listed
    .slice(0, MAX_SLICE_ENDPOINTS)
    .flatMap((endpoint) => readEndpoint(endpoint, family, allow, problems) ?? []);
  return { namespace, name, service, family, ports, endpoints, problems: problems.texts };
}
