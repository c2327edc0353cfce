/**
 * Every port of the rig, all on loopback and all in 14200–14299, so that two runs cannot overlap unnoticed. A proxy has
 * one port, whatever it is set up for: one runs at a time.
 */
export const ports = {
  origin: 14200,
  postOrigin: 14201,
  originStatus: 14202,
  originTls: 14203,
  /** HTTP/2 with prior knowledge: 1 KiB answers; the same with trailers; 1 MiB answers; none at all. */
  h2Origin: 14204,
  grpcOrigin: 14205,
  h2BigOrigin: 14206,
  h2SilentOrigin: 14207,
  /** HTTP/2 over TLS, by ALPN. */
  h2OriginTls: 14208,
  nginx: 14210,
  haproxy: 14220,
  squid: 14230,
  carpool: 14240,
  carpoolOperator: 14291,
  undici: 14250,
  nodeHttp: 14251,
  envoy: 14280,
  /** The scripted endpoints of one destination, and the port at which nginx and HAProxy offer them. */
  faultEndpoints: [14261, 14262, 14263],
  faultProxy: 14270,
} as const;

/** Upstream addresses of the memory scenario: the origin listens at `ports.origin` on each. */
export const manyAddresses: readonly string[] = Array.from({ length: 100 }, (_, i) => `127.0.1.${i + 1}`);
