import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

/**
 * Loads Node's own modules by `require`. An ES import of `node:http` reads every export once, and with them comes undici,
 * HTTP/2 and the web streams: 20 MB and 40 ms, where `require` costs 4 MB (Node 26.10).
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, namespace }) =>
      namespace === 'builtin' ? { path, external: true } : { path, namespace: 'builtin' },
    );
    // The exporter names them without the prefix.
    build.onResolve({ filter: /^(https?|zlib|stream|fs|path)$/ }, ({ path, importer }) =>
      importer.includes('/@opentelemetry/') ? { path: `node:${path}`, namespace: 'builtin' } : null,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
      loader: 'js',
    }));
  },
};

/**
 * Of undici only what the client of the Kubernetes API uses: its main module also loads caches, mocks, WebSocket and more,
 * which cost 1.1 MB of resident memory in every sidecar.
 */
const undiciParts: Plugin = {
  name: 'undici-parts',
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'undici-parts' }));
    build.onLoad({ filter: /.*/, namespace: 'undici-parts' }, () => ({
      resolveDir: import.meta.dirname,
      // An ES module, so that an import of anything else fails the build.
      contents: `
        import Dispatcher from './node_modules/undici/lib/dispatcher/dispatcher.js';
        import calls from './node_modules/undici/lib/api/index.js';
        import fetching from './node_modules/undici/lib/web/fetch/index.js';
        export { default as Agent } from './node_modules/undici/lib/dispatcher/agent.js';
        export { default as Client } from './node_modules/undici/lib/dispatcher/client.js';
        export { default as buildConnector } from './node_modules/undici/lib/core/connect.js';
        Object.assign(Dispatcher.prototype, calls);
        export const { fetch } = fetching;`,
      loader: 'js',
    }));
  },
};

/** What stands for a part of the Redis client that carpool does not use. By path in its `dist/lib`. */
const REDIS_STUBS: Readonly<Record<string, string>> = {
  // Five hundred commands, of which the handshake needs three and carpool none: it sends EVALSHA as it is.
  'commands/index': `
    const load = (command) => command.default;
    exports.default = {
      AUTH: load(require('./AUTH')), CLIENT_SETNAME: load(require('./CLIENT_SETNAME')), READONLY: load(require('./READONLY')),
    };`,
  'command-metadata/index': 'exports.isCacheable = () => false; exports.defaultCommandMetadata = { lookup() {} };',
  'client/multi-command': 'exports.default = { extend: () => class {} };',
  'client/pool': 'exports.RedisClientPool = {};',
  'client/legacy-mode': 'exports.RedisLegacyClient = class {};',
  'opentelemetry/index': 'exports.ClientRegistry = { instance: { register() {}, unregister() {} } };',
};

/** Of the Redis client only the one connection: the rest (cluster, sentinel, all commands) is 480 KB and 6 MB of memory. */
const redisParts: Plugin = {
  name: 'redis-parts',
  setup(build) {
    build.onResolve({ filter: /^@redis\/client$/ }, () => ({ path: '@redis/client', namespace: 'redis-parts' }));
    build.onLoad({ filter: /.*/, namespace: 'redis-parts' }, () => ({
      resolveDir: import.meta.dirname,
      contents: `
        import client from './node_modules/@redis/client/dist/lib/client/index.js';
        export const createClient = (options) => client.create(options);`,
      loader: 'js',
    }));
    build.onLoad({ filter: /@redis\/client\/dist\/lib\/.*\.js$/ }, ({ path }) => {
      const part = /dist\/lib\/(.*)\.js$/.exec(path)?.[1] ?? '';
      const contents = REDIS_STUBS[part];
      if (contents === undefined) return null;
      return { contents: `exports.__esModule = true;${contents}`, loader: 'js', resolveDir: dirname(path) };
    });
  },
};

/** The status page: its script and style, each in one file, and the files that go with them. For browsers of 2024 and later. */
const page = await build({
  metafile: true,
  entryPoints: { page: 'src/page/main.tsx', style: 'src/page/page.css' },
  outdir: 'dist/page',
  write: false,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  charset: 'utf8',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  tsconfigRaw: {},
  legalComments: 'none',
  logLevel: 'warning',
});
const built = (name: string): string => page.outputFiles.find(({ path }) => path.endsWith(`/${name}`))?.text ?? '';
const pageFiles: Readonly<Record<string, string>> = {
  'index.html': readFileSync('src/page/index.html', 'utf8'),
  'icon.svg': readFileSync('src/page/icon.svg', 'utf8'),
  'page.js': built('page.js'),
  'page.css': built('style.css'),
};
// From here a sidecar that runs from its sources reads them.
mkdirSync('dist/page', { recursive: true });
for (const [name, text] of Object.entries(pageFiles)) writeFileSync(`dist/page/${name}`, text);

/** Puts the files of the status page into the sidecar's, inside a function: until somebody asks for them they are no strings. */
const embeddedPage: Plugin = {
  name: 'embedded-page',
  setup(build) {
    build.onLoad({ filter: /\/admin\/page-source\.ts$/ }, () => ({
      contents: `export const readPageFile = (name) => (${JSON.stringify(pageFiles)})[name] ?? null;`,
      loader: 'js',
    }));
  },
};

/**
 * OpenTelemetry is in a file of its own, which is loaded with the first configuration that wants spans: in the sidecar's it would be read, and
 * kept as text, in every pod.
 */
const tracingApart: Plugin = {
  name: 'tracing-apart',
  setup(build) {
    build.onResolve({ filter: /\/span-tracing\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './tracing.js', external: true } : null,
    );
  },
};

/** A retry that the exporter waits for would keep the process alive after its stop. */
const exporterRetries: Plugin = {
  name: 'exporter-retries',
  setup(build) {
    build.onLoad({ filter: /otlp-exporter-base\/dist\/retrying-transport\.mjs$/ }, ({ path }) => {
      const parts = readFileSync(path, 'utf8').split('}, inMillis);');
      if (parts.length !== 2) throw new Error(`${path} waits in another way now`);
      return { contents: parts.join('}, inMillis).unref();'), loader: 'js' };
    });
  },
};

/**
 * One file for each program: the sidecar with its command line, and the admission webhook; and one for tracing. What an idle sidecar does not
 * need (metrics text, the other commands, the demo) is in its file too, but esbuild keeps dynamically imported modules
 * unevaluated until they are asked for. The source map makes stack traces readable with `node --enable-source-maps`.
 */
const { metafile } = await build({
  metafile: true,
  entryPoints: { carpool: 'src/main.ts', webhook: 'src/webhook/main.ts', tracing: 'src/tracing/span-tracing.ts' },
  outdir: 'dist',
  bundle: true,
  plugins: [embeddedPage, undiciParts, redisParts, tracingApart, exporterRetries, requireBuiltins],
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

/** The licence of a package in node_modules, as its authors have written it down. */
function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
}

// What is bundled is passed on, and its licences ask to go with it.
const bundled = new Set(
  [metafile, page.metafile].flatMap(({ inputs }) =>
    Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []),
  ),
);
writeFileSync(
  'dist/LICENSES.txt',
  `${[...bundled]
    .sort()
    .map(licenceOf)
    .join(`\n\n${'-'.repeat(80)}\n\n`)}\n`,
);
