import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';

/** What is said of a file: its problems, or its warnings. */
function told(t: Test, yaml: string): { problems: string[]; warnings: string[] } {
  const file = join(t.testdir({ 'c.yaml': yaml }), 'c.yaml');
  const short = (line: string): string => line.replaceAll(`${t.testdirName}/`, '');
  try {
    return { problems: [], warnings: loadConfig({ file, env: {}, flags: [] }).warnings.map(short) };
  } catch (error) {
    if (error instanceof ConfigProblems) return { problems: error.lines.map(short), warnings: [] };
    throw error;
  }
}

const load = (t: Test, yaml: string) =>
  loadConfig({ file: join(t.testdir({ 'c.yaml': yaml }), 'c.yaml'), env: {}, flags: [] });

t.test('a preset’s statuses yield to attempts and on that the user wrote', async (t) => {
  const entry = (retry: string): string => `destinations: [{ match: "a:1", preset: external-api, retry: ${retry} }]`;
  for (const retry of ['{ attempts: 1 }', '{ on: [reset] }']) {
    const { config, provenance } = load(t, entry(retry));
    const policy = config.destinations[0]?.policy.retry;
    t.same([policy?.statusCodes, policy?.unsafeStatuses], [[], []], retry);
    t.match(provenance.get('destinations[0].retry.statusCodes'), { kind: 'file', name: /c\.yaml:1:/ }, retry);
  }
  const whole = load(t, entry('{ attempts: 2 }')).config.destinations[0]?.policy.retry;
  t.ok(whole?.statusCodes.includes(503), 'and to nothing else');

  const defaults = load(t, 'defaults: { preset: external-api, retry: { attempts: 1 } }').config.defaults.retry;
  t.same([defaults.attempts, defaults.statusCodes, defaults.unsafeStatuses], [1, [], []], 'in defaults');
});

t.test('statuses of a preset in defaults yield in a destination alone, and come back in one', async (t) => {
  const off = load(t, 'defaults: { preset: external-api }\ndestinations: [{ match: "a:1", retry: { attempts: 1 } }]');
  t.same(off.config.destinations[0]?.policy.retry.statusCodes, []);
  t.ok(off.config.defaults.retry.statusCodes.includes(503));
  const on = load(
    t,
    'defaults: { preset: external-api, retry: { attempts: 1 } }\ndestinations: [{ match: "a:1", retry: { attempts: 3 } }]',
  );
  t.ok(on.config.destinations[0]?.policy.retry.statusCodes.includes(503));
});

t.test('statuses that the user wrote do not: the place is that of what stands there, with the way out', async (t) => {
  const yaml = 'defaults: { retry: { attempts: 3, statusCodes: [503] } }\ndestinations:\n  - match: "a:1"\n    retry: ';
  for (const [retry, name] of [
    ['{ attempts: 1 }', 'attempts'],
    ['{ on: [reset] }', 'on'],
  ] as const) {
    const { problems } = told(t, yaml + retry);
    t.equal(problems.length, 1, retry);
    t.match(problems[0], new RegExp(`^c\\.yaml:4:\\d+: destinations\\[0\\]\\.retry\\.${name} `), retry);
    t.match(problems[0], /also set retry\.statusCodes: \[\]/, retry);
  }
});

t.test('sticky.name needs by, where it is written', async (t) => {
  const { problems } = told(t, 'defaults: { balancer: sticky, sticky: { name: X-Tenant } }');
  t.equal(problems.length, 1);
  t.match(
    problems[0],
    /^c\.yaml:1:\d+: defaults\.sticky\.name is X-Tenant, which needs defaults\.sticky\.by: header or cookie/,
  );
  const header = 'defaults: { balancer: sticky, sticky: { by: header, name: X-Tenant } }\n';
  t.same(told(t, `${header}destinations: [{ match: "a:1", sticky: { by: address } }]`), { problems: [], warnings: [] });
  t.same(told(t, `${header}destinations: [{ match: "a:1", sticky: { name: X-B } }]`), { problems: [], warnings: [] });
});

t.test('what does nothing, or not what it seems to do, is warned of with its place', async (t) => {
  const redis = 'coordinator: redis, redis: { url: "redis://r:6379" }';
  const cases: [yaml: string, expected: string][] = [
    [
      `fleet: { ${redis}, minShare: 20, maxConnections: 12 }`,
      'fleet.minShare is 20, more than fleet.maxConnections (12)',
    ],
    [
      `fleet: { ${redis}, minShare: 20, maxConnections: 40 }\ndestinations: [{ match: "a:1", fleet: { maxConnections: 9 } }]`,
      'fleet.minShare is 20, more than destinations[0].fleet.maxConnections (9)',
    ],
    [
      'egress: { parentProxy: { noProxy: [.shop] } }',
      'egress.parentProxy.noProxy does nothing without egress.parentProxy.url',
    ],
    [
      'defaults: { healthCheck: { enabled: true, interval: 1s, timeout: 2s } }',
      'defaults.healthCheck.timeout is longer than defaults.healthCheck.interval',
    ],
    [
      'destinations: [{ match: "a:1", protocol: http1, healthCheck: { enabled: true, kind: grpc } }]',
      'destinations[0].healthCheck.kind is grpc, which goes by HTTP/2, but protocol is http1',
    ],
    [
      'destinations: [{ match: "a:1", mode: observe, pool: { minConnections: 2 } }]',
      'destinations[0].pool.minConnections does nothing with mode: observe',
    ],
    [
      'defaults: { headers: { set: { authorization: { file: /nowhere/key } } } }',
      'defaults.headers.set names /nowhere/key for authorization, which cannot be read now (ENOENT)',
    ],
  ];
  for (const [yaml, expected] of cases) {
    const { problems, warnings } = told(t, yaml);
    t.same(problems, [], yaml);
    t.equal(warnings.length, 1, `${yaml}: ${warnings.join('\n')}`);
    t.ok(warnings[0]?.includes(expected), `${yaml}: ${warnings[0]}`);
    t.match(warnings[0], /^c\.yaml:\d+:\d+: /, yaml);
  }
  t.same(told(t, `fleet: { ${redis}, minShare: 12, maxConnections: 12 }`).warnings, []);
});

t.test('a parent proxy that is a listener of carpool is refused', async (t) => {
  for (const url of [
    'http://localhost:14140',
    'http://127.0.0.1:14140',
    'http://[::1]:14140',
    'http://127.0.0.1:4000',
  ]) {
    const { problems } = told(
      t,
      `listener: { port: 14140 }\negress: { parentProxy: { url: "${url}" } }\ndestinations: [{ match: "a:1", localPort: 4000 }]`,
    );
    t.equal(problems.length, 1, url);
    t.match(problems[0], /egress\.parentProxy\.url is a listener of carpool itself/, url);
  }
  t.same(told(t, 'egress: { parentProxy: { url: "http://127.0.0.1:3128" } }').problems, []);
});

t.test('every wrong entry of a map or a list is told at once, by its own name', async (t) => {
  const one = (yaml: string): string => {
    const { problems } = told(t, yaml);
    t.equal(problems.length, 1, yaml);
    return problems[0] ?? '';
  };
  const set = one('defaults: { headers: { set: { host: x, x-a: "a\\nb", x-b: { file: rel }, x-c: fine } } }');
  t.match(set, /host concerns the framing/);
  t.match(set, /the value of x-a must be one line/);
  t.match(set, /x-b needs file:/);
  t.notMatch(set, /x-c|rel/);
  const to = one(
    'destinations: [{ match: a, to: [{ host: "b:1", weight: -1 }, { host: "c", weight: 1 }, { host: "d:1", wight: 1 }] }]',
  );
  t.match(to, /entry 1 has weight -1, which must be a whole number from 0 to 1000000/);
  t.match(to, /entry 2 has host "c", which must be host:port/);
  t.match(to, /entry 3 has wight, but only host and weight are known/);
  const statuses = one('defaults: { retry: { attempts: 3, statusCodes: [200, 503, 700] } }');
  t.match(statuses, /entry 1 is 200 .*entry 3 is 700/);
  const remove = one('defaults: { headers: { remove: ["a b", host] } }');
  t.match(remove, /name of a header field.*host concerns/);
  const ports = one('security: { connectPorts: [443, "9-8", x] }');
  t.match(ports, /entry 2 is "9-8" .*entry 3 is "x"/);
});

t.test('a long list of wrong entries is told by its first ones', async (t) => {
  const { problems } = told(t, `defaults: { retry: { attempts: 3, statusCodes: [${Array(50).fill(1).join(', ')}] } }`);
  t.match(problems[0], /entry 5 is 1.*; and 45 more/);
  t.notMatch(problems[0], /entry 6/);
});

t.test('a contradiction of defaults is told there alone, not for each destination that sets something else', (t) => {
  const yaml = `
defaults: { retry: { attempts: 3, on: [] }, healthCheck: { enabled: true, timeout: 9s, interval: 5s }, balancer: sticky }
destinations:
  - { match: "a:1", rateLimit: { requestsPerMinute: 5 }, retry: { backoffBase: 1s } }
  - { match: "b:1", retry: { attempts: 5 } }
  - { match: "c:1", healthCheck: { interval: 6s } }
`;
  const { problems, warnings } = told(t, yaml);
  t.same(problems, []);
  const paths = warnings.map((warning) => /: (\S+)/.exec(warning)?.[1]);
  t.same(paths, [
    'defaults.retry.attempts',
    'defaults.healthCheck.timeout',
    'destinations[1].retry.attempts',
    'destinations[2].healthCheck.timeout',
  ]);
  t.end();
});
