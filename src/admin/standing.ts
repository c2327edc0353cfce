import type { DestinationStats, EndpointStats } from '../pool/stats.ts';

/** Whether a destination has an endpoint that is fit: `unfit`: all that serve fail, and serve on for want of another. */
export type Standing = 'fit' | 'unfit' | 'none';

/** Out after failures, or by what its health checks say. */
export const isUnfit = ({ state }: Pick<EndpointStats, 'state'>): boolean => state === 'failing' || state === 'ejected';

/** How the endpoints stand that take requests now; `none`: no endpoint does. */
export function standingOf({ endpoints }: Pick<DestinationStats, 'endpoints'>): Standing {
  const serving = endpoints.filter((endpoint) => endpoint.inRotation);
  if (serving.length === 0) return 'none';
  return serving.every(isUnfit) ? 'unfit' : 'fit';
}
