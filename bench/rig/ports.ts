/** Every port of the rig, all on loopback and all in 14200–14299, so that two runs cannot overlap unnoticed. */
export const ports = {
  origin: 14200,
  postOrigin: 14201,
  originStatus: 14202,
  originTls: 14203,
  nginx: { get: 14210, post: 14211, many: 14212 },
  haproxy: { get: 14220, post: 14221, many: 14222 },
  squid: 14230,
  carpool: 14240,
  carpoolOperator: 14291,
  undici: 14250,
  nodeHttp: 14251,
  /** The scripted endpoints of one destination, and the port at which nginx and HAProxy offer them. */
  faultEndpoints: [14261, 14262, 14263],
  faultProxy: 14270,
} as const;

/** Upstream addresses of the memory scenario: the origin listens at `ports.origin` on each. */
export const manyAddresses: readonly string[] = Array.from({ length: 100 }, (_, i) => `127.0.1.${i + 1}`);
