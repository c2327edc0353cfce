import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

/**
 * One file to start from, and chunks beside it for what an idle sidecar does not load (metrics, the CLI, the demo). The
 * source map makes stack traces readable with `node --enable-source-maps`.
 */
await build({
  entryPoints: { carpool: 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node26',
  sourcemap: true,
  legalComments: 'none',
  define: { CARPOOL_VERSION: JSON.stringify(version) },
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  logLevel: 'warning',
});
