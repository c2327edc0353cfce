import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The build under test: what `make build` made, or another one. */
export const BUNDLE =
  process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../dist/carpool.js', import.meta.url));

/** The files of its status page, which the build leaves beside it. */
export const PAGE_FOLDER = `${dirname(BUNDLE)}/page`;
