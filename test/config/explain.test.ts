import { join } from 'node:path';
import t, { type Test } from 'tap';
import { explain, explanationLines } from '../../src/config/explain.ts';
import { loadConfig } from '../../src/config/load.ts';

function change(t: Test, before: string, after: string) {
  const directory = t.testdir({ 'a.yaml': before, 'b.yaml': after });
  const load = (name: string) => loadConfig({ file: join(directory, name), env: {}, flags: [], memoryLimit: 2 ** 30 });
  return explain(load('a.yaml').config, load('b.yaml').config);
}

t.test('each change is told in human units, in the class in which it applies', async (t) => {
  const explanation = change(
    t,
    'listener: { port: 1 }',
    `
listener: { port: 2 }
limits: { bufferBytes: 64MiB }
security: { connectPorts: [443, "8000-9000"], allowAddresses: [127.0.0.0/8] }
defaults: { protocol: http1, vanished: keep, pool: { maxAge: 2m, maxIdle: 20, idleTimeout: 90s, enabled: false }, retry: { replayBytes: 1MiB } }
telemetry: { poolLogInterval: 0 }
`,
  );
  t.same(explanation, {
    applied: [
      'security.connectPorts: 443, 80, 8080, 1024-65535 → 443, 8000-9000',
      'defaults.vanished: evict below the cluster domain, else keep → keep',
      'defaults.pool.enabled: true → false',
      'defaults.pool.maxIdle: 0 (no cap of its own) → 20',
      'defaults.pool.idleTimeout: 50s until something is known of the server, then up to 300s → 1m30s',
      'defaults.retry.replayBytes: 64KiB → 1MiB',
      'telemetry.poolLogInterval: 1m → 0 (never)',
    ],
    newConnections: [
      'security.allowAddresses: none → 127.0.0.0/8',
      'defaults.protocol: auto → http1',
      'defaults.pool.maxAge: 5m → 2m',
    ],
    restart: ['listener.port: 1 → 2', 'limits.bufferBytes: 256MiB → 64MiB'],
  });
  t.same(explanationLines(explanation).slice(-3), [
    'applies to new connections: defaults.pool.maxAge: 5m → 2m',
    'needs a restart: listener.port: 1 → 2',
    'needs a restart: limits.bufferBytes: 256MiB → 64MiB',
  ]);
  t.equal(explanationLines(explanation)[0]?.startsWith('applies at once: security.connectPorts'), true);
});

t.test('the same configuration written in another way is no change', async (t) => {
  t.same(
    change(t, 'defaults: { pool: { maxAge: 300s } }', 'defaults: { pool: { maxAge: 5m, maxIdle: 0 } }\n# a comment'),
    {
      applied: [],
      newConnections: [],
      restart: [],
    },
  );
});

t.test('destinations are told by what the app calls them, wherever they stand in the list', async (t) => {
  const explanation = change(
    t,
    'destinations: [{ match: "a:80", pool: { maxIdle: 1 }, endpoints: ["10.0.0.1:1"] }, { match: "b:80", localPort: 5 }, { match: "c:80" }]',
    'destinations: [{ match: "d:80", localPort: 6 }, { match: "c:80", localPort: 7, name: sea }, { match: "a:80", pool: { maxIdle: 2 }, timeouts: { response: 1s }, endpoints: ["10.0.0.2:1", "[fd00::1]:2"] }]',
  );
  t.same(explanation, {
    applied: [
      'destinations[b:80]: removed',
      'destinations[d:80]: added',
      'destinations[c:80].name: host:port → sea',
      'destinations[a:80].endpoints: 10.0.0.1:1 → 10.0.0.2:1, [fd00::1]:2',
      'destinations[a:80].pool.maxIdle: 1 → 2',
      'destinations[a:80].timeouts.response: 10m → 1s',
    ],
    newConnections: [],
    restart: [
      'destinations[b:80].localPort: 5 → none',
      'destinations[d:80].localPort: none → 6',
      'destinations[c:80].localPort: none → 7',
    ],
  });
});

t.test('what a destination takes from defaults is told once, under defaults', async (t) => {
  t.same(
    change(
      t,
      'destinations: [{ match: a }, { match: b, pool: { maxIdle: 5 } }]',
      'defaults: { pool: { maxIdle: 9 } }\ndestinations: [{ match: a }, { match: b, pool: { maxIdle: 6 } }]',
    ).applied,
    ['defaults.pool.maxIdle: 0 (no cap of its own) → 9', 'destinations[b].pool.maxIdle: 5 → 6'],
  );
});
