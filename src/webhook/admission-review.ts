import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { beyondLimits } from './json-limits.ts';

/** AdmissionReview (admission.k8s.io/v1) as JSON: what the API server asks, and how it is answered. */

const API_VERSION = 'admission.k8s.io/v1';
const KIND = 'AdmissionReview';
/** The API server cuts each warning to this many characters, and takes so many of all together. */
const MAX_WARNING = 256;
const MAX_ALL_WARNINGS = 4096;

/** What is asked about one object. */
export type Review = {
  readonly uid: string;
  /** The pod as it would be made, or null: the question is about something else, of which nothing is changed. */
  readonly pod: JsonObject | null;
  /** The pod's own metadata may not say it yet. */
  readonly namespace: string;
  /** Its name or the start of it, for the log. */
  readonly name: string;
  /** What makes it, for the log: `ReplicaSet/web-5d8`; empty for a pod of its own. */
  readonly owner: string;
};

/** How a question is answered; what is asked for is always allowed. */
export type ReviewAnswer = {
  readonly uid: string;
  /** Operations of a JSON Patch (RFC 6902); none: the pod stays as it is. */
  readonly patch: readonly unknown[];
  readonly warnings: readonly string[];
  /** For the API server's audit log, which puts the webhook's name before each key. */
  readonly auditAnnotations: Readonly<Record<string, string>>;
};

/**
 * Reads a question strictly: what is not understood is refused, in words, rather than guessed.
 * @param contentType of the request
 */
export function readReview(contentType: string | undefined, body: string): Review | { readonly refused: string } {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { refused: 'the content type is not application/json' };
  const beyond = beyondLimits(body);
  if (beyond !== null) return { refused: `the body: ${beyond}` };
  let tree: unknown;
  try {
    tree = JSON.parse(body);
  } catch {
    return { refused: 'the body is no JSON' };
  }
  if (!isJsonObject(tree) || tree.kind !== KIND) return { refused: `the kind is not ${KIND}` };
  if (tree.apiVersion !== API_VERSION) return { refused: `the apiVersion is not ${API_VERSION}` };
  const { request } = tree;
  if (!isJsonObject(request)) return { refused: 'there is no request in it' };
  const { uid, object } = request;
  if (typeof uid !== 'string' || uid === '') return { refused: 'request.uid is missing' };
  const aboutPod = isPodCreation(request);
  if (aboutPod && !isJsonObject(object)) return { refused: 'request.object is no object' };
  const metadata = isJsonObject(object) ? objectAt(object, 'metadata') : {};
  return {
    uid,
    pod: aboutPod && isJsonObject(object) ? object : null,
    namespace: textOf(request.namespace),
    name: textOf(request.name) || textOf(metadata.name) || textOf(metadata.generateName),
    owner: ownerOf(metadata),
  };
}

/** The text of an answer. */
export function writeAnswer({ uid, patch, warnings, auditAnnotations }: ReviewAnswer): string {
  const response = {
    uid,
    allowed: true,
    ...(patch.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    ...(warnings.length === 0 ? {} : { warnings: fitWarnings(warnings) }),
    ...(Object.keys(auditAnnotations).length === 0 ? {} : { auditAnnotations }),
  };
  return JSON.stringify({ apiVersion: API_VERSION, kind: KIND, response });
}

/** Warnings travel in HTTP fields: one line each, and no longer than the API server passes on. */
export function fitWarnings(warnings: readonly string[]): string[] {
  const fitting: string[] = [];
  let left = MAX_ALL_WARNINGS;
  for (const warning of warnings) {
    const line = [...warning.replaceAll(/\p{C}+/gu, ' ')];
    const text = line.length > MAX_WARNING ? `${line.slice(0, MAX_WARNING - 1).join('')}…` : line.join('');
    left -= Math.min(line.length, MAX_WARNING);
    if (left < 0) break;
    fitting.push(text);
  }
  return fitting;
}

/** The owner that makes the object; people know a pod by it, for its own name is not chosen yet. */
function ownerOf(metadata: JsonObject): string {
  const { ownerReferences } = metadata;
  if (!Array.isArray(ownerReferences)) return '';
  const owner: unknown = ownerReferences.find((each: unknown) => isJsonObject(each) && each.controller === true);
  return isJsonObject(owner) ? `${textOf(owner.kind)}/${textOf(owner.name)}` : '';
}

function isPodCreation(request: JsonObject): boolean {
  const { group, version, resource } = objectAt(request, 'resource');
  return (
    request.operation === 'CREATE' &&
    (group === '' || group === undefined) &&
    version === 'v1' &&
    resource === 'pods' &&
    textOf(request.subResource) === ''
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
