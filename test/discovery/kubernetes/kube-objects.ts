/** Services and EndpointSlices as a real API server shows them. */

/** An object of the API, with what the server itself needs of it. */
export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
};

type ServicePortInput = {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly targetPort?: number | string;
};

/** `spec` goes over what the other fields say, as the last word. */
type ServiceInput = {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly ports?: readonly ServicePortInput[];
  readonly headless?: boolean;
  readonly externalName?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
};

/** A Service; with one port 80 to 8080 called `http` unless told otherwise. */
export function service(input: ServiceInput): KubeObject {
  const { name, namespace = 'shop', uid = `uid-of-${namespace}-${name}`, headless = false, externalName } = input;
  const ports = input.ports ?? [{ name: 'http', port: 80, targetPort: 8080 }];
  const clusterIP = headless ? 'None' : '10.96.0.10';
  const spec = {
    ports: ports.map((port) => ({ protocol: 'TCP', targetPort: port.port, ...port })),
    selector: { app: name },
    type: 'ClusterIP',
    clusterIP,
    clusterIPs: [clusterIP],
    sessionAffinity: 'None',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
  };
  const external = { type: 'ExternalName', externalName, sessionAffinity: 'None' };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, uid, creationTimestamp: '2026-01-01T00:00:00Z', labels: { app: name } },
    spec: { ...(externalName === undefined ? spec : external), ...input.spec },
    status: { loadBalancer: {} },
  };
}

/** What is left out is not in the object either, but for `ready`. */
type EndpointInput = {
  readonly address: string;
  /** Default: true; null leaves it out. */
  readonly ready?: boolean | null;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  /** Default: one for each address; null leaves the whole targetRef out. */
  readonly uid?: string | null;
  readonly pod?: string;
  readonly forZones?: readonly string[];
  readonly forNodes?: readonly string[];
};

type SliceInput = {
  readonly service: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports?: readonly {
    readonly name?: string;
    readonly port?: number;
    readonly protocol?: string;
    readonly appProtocol?: string;
  }[];
  /** A string is the address of a ready pod. */
  readonly endpoints: readonly (string | EndpointInput)[];
};

function endpoint(input: string | EndpointInput, namespace: string): unknown {
  const given: EndpointInput = typeof input === 'string' ? { address: input } : input;
  const { address, ready = true, serving, terminating, hostname, nodeName, zone, forZones, forNodes } = given;
  const word = address.replaceAll(/[.:]/g, '-');
  const uid = given.uid === undefined ? `uid-of-${word}` : given.uid;
  return {
    addresses: [address],
    conditions: {
      ...(ready === null ? {} : { ready, serving: ready, terminating: false }),
      ...(serving === undefined ? {} : { serving }),
      ...(terminating === undefined ? {} : { terminating }),
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(uid === null ? {} : { targetRef: { kind: 'Pod', namespace, name: given.pod ?? `pod-${word}`, uid } }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(forZones || forNodes
      ? {
          hints: {
            ...(forZones ? { forZones: forZones.map((name) => ({ name })) } : {}),
            ...(forNodes ? { forNodes: forNodes.map((name) => ({ name })) } : {}),
          },
        }
      : {}),
  };
}

/** An EndpointSlice of a Service; with one port 8080 called `http` unless told otherwise. */
export function slice(input: SliceInput): KubeObject {
  const { service: owner, namespace = 'shop', name = `${owner}-x7k2p`, addressType = 'IPv4' } = input;
  const ports = input.ports ?? [{ name: 'http', port: 8080 }];
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace,
      uid: input.uid ?? `uid-of-${namespace}-${name}`,
      generateName: `${owner}-`,
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: {
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': owner,
      },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: owner, uid: `uid-of-${namespace}-${owner}`, controller: true },
      ],
    },
    addressType,
    endpoints: input.endpoints.map((given) => endpoint(given, namespace)),
    ports: ports.map((port) => ({ name: '', protocol: 'TCP', ...port })),
  };
}
