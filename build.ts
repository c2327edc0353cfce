import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

/**
 * One file. What an idle sidecar does not need (metrics text, the other commands, the demo) is in it too, but esbuild keeps
 * dynamically imported modules unevaluated until they are asked for. The source map makes stack traces readable with
 * `node --enable-source-maps`.
 */
await build({
  entryPoints: { carpool: 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  minifyWhitespace: true,
  minifySyntax: true,
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
