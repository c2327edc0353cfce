/** What discovery knows of a Service and of an EndpointSlice: the parts of the API's objects that it uses, checked. */

/** The label of an EndpointSlice that names its Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export type ServicePort = {
  /** Empty where the Service has one port without a name. */
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol: string | null;
};

export type ServiceFacts = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The name that it stands for (`type: ExternalName`), or null. */
  readonly externalName: string | null;
  readonly headless: boolean;
  readonly hasSelector: boolean;
  readonly ports: readonly ServicePort[];
  /** `sessionAffinity: ClientIP` */
  readonly clientIpAffinity: boolean;
  /** `internalTrafficPolicy: Local` */
  readonly localOnly: boolean;
};

export type SlicePort = {
  readonly name: string;
  /** null: the slice does not restrict the port. */
  readonly port: number | null;
  readonly protocol: string;
  readonly appProtocol: string | null;
};

export type SliceEndpoint = {
  readonly address: string;
  /** Missing `ready` = true, missing `serving` = the value of `ready`, missing `terminating` = false. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly hostname: string | null;
  readonly nodeName: string | null;
  readonly zone: string | null;
  /** `targetRef.uid`, or null. */
  readonly uid: string | null;
  /** `targetRef.name` of a Pod, or null. */
  readonly pod: string | null;
  /** null: no such hint. */
  readonly forZones: readonly string[] | null;
  readonly forNodes: readonly string[] | null;
};

export type SliceFacts = {
  readonly namespace: string;
  readonly name: string;
  /** The Service that it belongs to (its `SERVICE_NAME_LABEL`). */
  readonly service: string;
  readonly family: 4 | 6;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
  /** What was wrong with it and is left out, in words: addresses and ports that cannot be. */
  readonly problems: readonly string[];
};
