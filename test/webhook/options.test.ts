import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readOptions, UsageError } from '../../src/webhook/options.ts';

const SELF = ['--certificate-secret=s', '--webhook-configuration=w', '--service=v'];
const env = { POD_NAMESPACE: 'system' };

t.test('the command line of the chart is read', async (t) => {
  t.same(readOptions(['--settings=/a/injection.yaml', ...SELF, '--certificate-lifetime=90d'], env), {
    settingsFile: '/a/injection.yaml',
    host: null,
    port: 8443,
    operatorPort: 8081,
    certificates: {
      kind: 'self',
      secret: 's',
      configuration: 'w',
      service: 'v',
      namespace: 'system',
      lifetimeMs: 90 * 86_400_000,
    },
    tokenDir: '/var/run/secrets/kubernetes.io/serviceaccount',
    logLevel: 'info',
  });
  const files = readOptions(
    ['--settings', 'f', '--certificate-dir', '/tls', '--port', '1', '--log-level', 'debug'],
    {},
  );
  t.match(files, { certificates: { kind: 'directory', directory: '/tls' }, port: 1, logLevel: 'debug' });
});

t.test('the namespace is the mounted one where POD_NAMESPACE is not set', async (t) => {
  const tokenDir = mkdtempSync(join(tmpdir(), 'carpool-hook-'));
  t.teardown(() => rmSync(tokenDir, { recursive: true }));
  const args = ['--settings=f', ...SELF, `--token-dir=${tokenDir}`];
  t.throws(() => readOptions(args, {}), /POD_NAMESPACE/);
  writeFileSync(join(tokenDir, 'namespace'), 'mounted\n');
  t.match(readOptions(args, {}), { certificates: { namespace: 'mounted' } });
});

t.test('what is wrong is named', async (t) => {
  for (const [args, words] of [
    [SELF, /--settings is missing/],
    [['--settings=f'], /one of --certificate-dir and --certificate-secret/],
    [['--settings=f', '--certificate-dir=d', ...SELF], /one of --certificate-dir and --certificate-secret/],
    [['--settings=f', '--certificate-secret=s', '--service=v'], /--webhook-configuration/],
    [['--settings=f', ...SELF, '--port=70000'], /--port 70000/],
    [['--settings=f', ...SELF, '--operator-port=x'], /--operator-port x/],
    [['--settings=f', ...SELF, '--log-level=loud'], /--log-level loud/],
    [['--settings=f', ...SELF, '--certificate-lifetime=5m'], /--certificate-lifetime 5m/],
    [['--settings=f', ...SELF, '--certificate-lifetime=90'], /--certificate-lifetime 90:/],
    [['--settings=f', ...SELF, '--nonsense'], /nonsense/],
    [['--settings=f', ...SELF, 'rest'], /rest/],
  ] as const)
    t.throws(() => readOptions(args, env), { constructor: UsageError, message: words }, args.join(' '));
});
