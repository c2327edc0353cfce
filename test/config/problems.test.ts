import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';

/** The lines of the problems of a file, without its directory. */
function problems(t: Test, file: string): string[] {
  try {
    loadConfig({ file, env: {}, flags: [] });
  } catch (error) {
    if (error instanceof ConfigProblems) return error.lines.map((line) => line.replaceAll(`${t.testdirName}/`, ''));
    throw error;
  }
  return [];
}

const problemsOf = (t: Test, yaml: string | Buffer): string[] =>
  problems(t, join(t.testdir({ 'c.yaml': yaml }), 'c.yaml'));

t.test('five mistakes are five lines, each with its place, its path, what is there and what is allowed', async (t) => {
  const yaml = `listener:
  port: http
defaults:
  pool:
    maxConections: 5
    maxAge: 30
destinations:
  - match: "a:80"
    protocol: spdy
  - endpoints: ["10.0.0.1:80"]
`;
  t.same(problemsOf(t, yaml), [
    'c.yaml:2:3: listener.port is "http": must be a port from 1 to 65535 (0 picks a free one)',
    'c.yaml:5:5: defaults.pool.maxConections is no setting; did you mean maxConnections?',
    'c.yaml:6:5: defaults.pool.maxAge is 30: a duration needs its unit: write 30s or 30ms (units are ms, s, m, h)',
    'c.yaml:9:5: destinations[0].protocol is "spdy": must be one of auto, http1, http2',
    'c.yaml:10:5: destinations[1] has no match: it needs match: host[:port], as the app calls the destination',
  ]);
});

t.test('every kind of wrong value is told with what is allowed', async (t) => {
  const cases: [string, string][] = [
    ['listener: 5', 'listener is 5: must be a group of settings (host, port, '],
    ['listener: [1]', 'listener is a list: must be a group of settings'],
    ['listener: { port: { a: 1 } }', 'listener.port is a group of settings: must be a port'],
    ['listener: { port: 65536 }', 'listener.port is 65536: must be a port'],
    ['listener: { port: "14140" }', 'listener.port is "14140": must be a port'],
    ['listener: { port: }', 'listener.port is empty: give it a value, or leave the line out for the default'],
    ['listener: { host: carpool.example }', 'listener.host is "carpool.example": must be an IP address to listen on'],
    ['listener: { host: "[::1]" }', 'must be an IP address to listen on, such as 127.0.0.1 or "::" (without brackets)'],
    ['listener: { allowNonLoopback: yes }', 'listener.allowNonLoopback is "yes": must be true or false'],
    ['listener: { maxFields: 1.5 }', 'listener.maxFields is 1.5: must be a whole number from 10 to 10000'],
    ['listener: { maxFields: .nan }', 'listener.maxFields is NaN: must be a whole number'],
    ['listener: { maxHeadBytes: 64KB }', 'listener.maxHeadBytes is "64KB": must be a size such as 64KiB'],
    ['listener: { maxHeadBytes: 1 }', 'listener.maxHeadBytes is 1: must be a size from 1KiB to 1MiB'],
    ['listener: { upgradeProtocols: websocket }', 'is "websocket": must be a list, each entry the name of a protocol'],
    ['listener: { upgradeProtocols: ["a b"] }', 'is a list: its entry 1 is "a b" and must be the name of a protocol'],
    ['listener: { headTimeout: 10x }', 'listener.headTimeout is "10x": must be a duration such as 250ms, 30s'],
    ['listener: { headTimeout: 1ms }', 'listener.headTimeout is "1ms": must be a duration from 100ms to 24h'],
    ['listener: { headTimeout: 25h }', 'listener.headTimeout is "25h": must be a duration from 100ms to 24h'],
    ['listener: { headTimeout: 0 }', 'listener.headTimeout is 0: must be longer than 0'],
    ['listener: { headTimeout: "30" }', 'listener.headTimeout is "30": a duration needs its unit'],
    ['telemetry: { accessLogSample: 5 }', 'telemetry.accessLogSample is 5: must be a number from 0 to 1'],
    ['telemetry: { accessLog: false }', 'telemetry.accessLog is false: must be one of off, errors, sampled, all'],
    ['control: { socket: control.sock }', 'control.socket is "control.sock": must be an absolute path'],
    [`control: { socket: "/${'x'.repeat(108)}" }`, 'must be a path of at most 107 bytes'],
    ['security: { connectPorts: [443, "9-8"] }', 'its entry 2 is "9-8" and must be a port or a range'],
    [
      'security: { allowAddresses: ["10.0.0.0/33"] }',
      'security.allowAddresses is a list: "10.0.0.0/33" needs a prefix length',
    ],
    ['security: { allowAddresses: [localhost] }', '"localhost" is neither an IP address nor a range'],
    ['security: { allowAddresses: [5] }', 'its entry 1 is 5 and must be an address or a range'],
    ['destinations: { a: 1 }', 'destinations is a group of settings: must be a list of destinations'],
    ['destinations: [a]', 'destinations[0] is "a": must be a group of settings (match, name, '],
    ['destinations: [{ match: "a:99999" }]', 'destinations[0].match is "a:99999": must be host[:port]'],
    ['destinations: [{ match: a, name: other }]', 'destinations[0].name is "other": is the label of all destinations'],
    ['destinations: [{ match: a, name: "" }]', 'destinations[0].name is "": must be a name of letters'],
    [
      'destinations: [{ match: a, endpoints: [] }]',
      'destinations[0].endpoints is a list: must have at least one entry',
    ],
    [
      'destinations: [{ match: a, endpoints: ["10.0.0.5"] }]',
      'its entry 1 is "10.0.0.5" and must be an address with a port',
    ],
    [
      'destinations: [{ match: a, endpoints: ["fd00::5:80"] }]',
      'its entry 1 is "fd00::5:80" and must be an address with a port',
    ],
    ['destinations: [{ match: a, endpoints: ["10.0.0.5:0"] }]', 'its entry 1 is "10.0.0.5:0"'],
    ['destinations: [{ match: a, endpoints: ["10.0.0.5:1", "10.0.0.5:1"] }]', 'has 10.0.0.5:1 twice'],
    [
      'destinations: [{ match: a, basePath: v1 }]',
      'destinations[0].basePath is "v1": must be a path prefix such as /v1',
    ],
    ['destinations: [{ match: a, basePath: "/v1?x" }]', 'destinations[0].basePath is "/v1?x": must be a path prefix'],
    ['defaults: { breaker: { failures: 0 } }', 'defaults.breaker.failures is 0: must be a whole number from 1 to'],
    ['defaults: { pool: { maxConnections: null } }', 'defaults.pool.maxConnections is empty: give it a value'],
    ['- a', 'is a list: must be a group of settings (profile, mode, listener'],
    ['just text', 'is "just text": must be a group of settings'],
  ];
  for (const [yaml, expected] of cases) {
    const lines = problemsOf(t, yaml);
    t.equal(lines.length, 1, yaml);
    t.ok(lines[0]?.includes(expected), `${yaml}: ${lines[0]}`);
    t.match(lines[0], /^c\.yaml(:\d+:\d+)?: /);
  }
});

t.test('an unknown name is told with the right one: a neighbour, another place, or a guide’s name', async (t) => {
  const cases: [string, string][] = [
    ['listner: {}', 'listner is no setting; did you mean listener?'],
    [
      'defaults: { pool: { max_connections: 1 } }',
      'defaults.pool.max_connections is no setting; did you mean maxConnections?',
    ],
    ['pool: { maxAge: 1s }', 'pool is no setting; did you mean defaults.pool?'],
    ['balancer: p2c', 'balancer is no setting; did you mean defaults.balancer?'],
    ['logLevel: info', 'logLevel is no setting; did you mean telemetry.logLevel?'],
    ['defaults: { pool: { keepalive_expiry: 5 } }', 'did you mean defaults.pool.idleTimeout?'],
    ['destinations: [{ match: a, timeouts: { read: 5s } }]', 'did you mean destinations[0].timeouts.response?'],
    ['discovery: { dns: { vanished: keep } }', 'discovery.dns.vanished is no setting; did you mean defaults.vanished?'],
    ['destinations: [{ match: a, lokalPort: 1 }]', 'destinations[0].lokalPort is no setting; did you mean localPort?'],
    ['shutdown: { zebra: 1 }', 'shutdown.zebra is no setting; here are: grace'],
    ['defaults: { "pool.maxAge": 5s }', 'defaults.pool.maxAge is no setting'],
    ['constructor: { prototype: 1 }', 'constructor is no setting'],
    ['__proto__: { x: 1 }', '__proto__ is no setting'],
    ['listener: { toString: 1 }', 'listener.toString is no setting'],
    ['1: 2', '1 is no setting'],
  ];
  for (const [yaml, expected] of cases) {
    const lines = problemsOf(t, yaml);
    t.equal(lines.length, 1, yaml);
    t.ok(lines[0]?.includes(expected), `${yaml}: ${lines[0]}`);
  }
});

t.test('a policy that contradicts itself is refused, and says what to set', async (t) => {
  const cases: [yaml: string, expected: string][] = [
    ['defaults: { retry: { statusCodes: [503] } }', 'retry.attempts is not set: set it to the tries in all'],
    ['defaults: { retry: { attempts: 1, unsafeStatuses: [429] } }', 'retry.attempts is 1'],
    ['defaults: { retry: { attempts: 3, statusCodes: [503], on: [reset] } }', 'retry.on has no status'],
    ['defaults: { retry: { backoffBase: 2s, backoffMax: 1s } }', 'is longer than retry.backoffMax'],
    ['defaults: { retry: { attempts: 3, budget: 0, budgetMinimum: 0 } }', 'needs a retry.budget'],
    ['defaults: { breaker: { failures: 0 } }', 'defaults.breaker.failures is 0'],
    ['defaults: { breaker: { destinationFailures: 0 } }', 'defaults.breaker.destinationFailures is 0'],
    ['defaults: { sticky: { by: header }, balancer: sticky }', 'needs defaults.sticky.name'],
    ['defaults: { rateLimit: { burst: 5 } }', 'needs defaults.rateLimit.requestsPerMinute'],
    ['defaults: { headers: { set: { x-a: b }, remove: [X-A] } }', 'has x-a, which headers.set has too'],
    ['fleet: { maxConnections: 100 }', 'needs fleet.coordinator'],
    ['fleet: { maxConnections: 100, coordinator: redis }', 'needs fleet.redis.url'],
    ['fleet: { maxConnections: 100, coordinator: kubernetes }', 'needs fleet.service'],
    ['destinations: [{ match: "a:1", fleet: { maxConnections: 5 } }]', 'needs fleet.coordinator'],
    ['destinations: [{ match: "a:1", to: "b:1", endpoints: ["10.0.0.1:1"] }]', 'stands beside endpoints'],
    ['destinations: [{ match: "a:1", retry: { statusCodes: [503] } }]', 'destinations[0].retry.statusCodes'],
  ];
  for (const [yaml, expected] of cases) {
    const lines = problemsOf(t, yaml);
    t.equal(lines.length, 1, `${yaml}: ${lines.join('\n')}`);
    t.ok(lines[0]?.includes(expected), `${yaml}: ${lines[0]}`);
  }
});

t.test('values of traffic settings that cannot be are refused by themselves', async (t) => {
  const cases: [yaml: string, expected: string][] = [
    ['defaults: { retry: { statusCodes: [200], attempts: 3 } }', 'must be an HTTP status from 400 to 599'],
    ['defaults: { retry: { on: [sometimes] } }', 'must be one of reset, timeout, status'],
    ['defaults: { headers: { set: { host: x } } }', 'host concerns the framing or one hop'],
    ['defaults: { headers: { set: { x-a: "a\\nb" } } }', 'must be one line'],
    ['defaults: { headers: { set: { x-a: { file: rel } } } }', 'needs file: with an absolute path'],
    ['defaults: { headers: { remove: ["a b"] } }', 'must be the name of a header field'],
    ['destinations: [{ match: a, to: b }]', 'must be host:port'],
    ['destinations: [{ match: a, to: [{ host: "b:1", weight: 0 }] }]', 'a weight above 0'],
    ['destinations: [{ match: a, to: [{ host: "b:1" }, { host: "b:1" }] }]', 'has b:1 twice'],
    ['fleet: { redis: { url: "http://a" } }', 'must be redis://'],
    ['fleet: { redis: { url: "redis://:secret@a" } }', 'must not hold a user or a password'],
    ['egress: { parentProxy: { url: "http://user:pw@proxy:3128" } }', 'must not hold a user or a password'],
    ['egress: { parentProxy: { url: "http://proxy:3128/x" } }', 'without a path'],
    ['defaults: { pool: { minConnections: some } }', 'or auto'],
  ];
  for (const [yaml, expected] of cases) {
    const lines = problemsOf(t, yaml);
    t.equal(lines.length, 1, `${yaml}: ${lines.join('\n')}`);
    t.ok(lines[0]?.includes(expected), `${yaml}: ${lines[0]}`);
    t.notMatch(lines[0] ?? '', /secret|user:pw/, yaml);
  }
});

t.test('a key that stands twice is told with both the place and the rest of the problems', async (t) => {
  t.same(problemsOf(t, 'listener:\n  port: 1\n  port: 2\nshutdown: { grase: 1s }\n'), [
    'c.yaml:3:3: port stands twice in one group',
    'c.yaml:4:13: shutdown.grase is no setting; did you mean grace?',
  ]);
});

t.test('wrong syntax is told with line and column', async (t) => {
  t.match(problemsOf(t, 'listener:\n  port: [1\noperator: {}\n')[0], /^c\.yaml:\d+:\d+: YAML syntax: /);
  t.match(problemsOf(t, 'a: b: c\n')[0], /^c\.yaml:1:\d+: YAML syntax: /);
  t.match(problemsOf(t, 'listener:\n\tport: 1\n')[0], /^c\.yaml:2:\d+: YAML syntax: /);
  t.match(problemsOf(t, 'listener: *nowhere\n')[0], /^c\.yaml.*YAML/);
  t.match(problemsOf(t, 'a: 1\n---\nb: 2\n')[0], /^c\.yaml:\d+:\d+: YAML syntax: .*documents/);
  t.match(problemsOf(t, 'profile: !secret x\n')[0], /^c\.yaml:1:\d+: YAML syntax: .*tag/i);
  for (const yaml of ['a: b: c\n', 'listener: *nowhere\n']) t.equal(problemsOf(t, yaml).length, 1, yaml);
});

t.test('aliases that multiply without end, and nesting without end, are refused and not followed', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh'].map((pair) => [...pair]))
    bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  t.match(problemsOf(t, bomb.join('\n'))[0], /cannot be parsed as YAML: .*alias/i);
  t.match(problemsOf(t, `a: ${'['.repeat(20_000)}`)[0], /^c\.yaml.*YAML/);
});

t.test('a file that cannot be read is told in words', async (t) => {
  const directory = t.testdir({
    'big.yaml': `# ${'x'.repeat(1024 * 1024)}`,
    'latin.yaml': Buffer.from([0x23, 0xe9, 0x0a]),
  });
  t.same(problems(t, join(directory, 'none.yaml')), ['none.yaml: there is no such file']);
  t.same(problems(t, join(directory, 'big.yaml', 'x')), ['big.yaml/x: a part of its path is a file, not a directory']);
  t.same(problems(t, join(directory, 'big.yaml')), ['big.yaml: has 1048578 bytes; at most 1048576 (1 MiB) are read']);
  t.same(problems(t, join(directory, 'latin.yaml')), ['latin.yaml: is not UTF-8 text']);
  mkdirSync(join(directory, 'folder'));
  t.same(problems(t, join(directory, 'folder')), ['folder: is a directory, not a file']);
  symlinkSync('loop.yaml', join(directory, 'loop.yaml'));
  t.same(problems(t, join(directory, 'loop.yaml')), ['loop.yaml: its symbolic links go in circles']);
  t.same(problems(t, '/dev/zero'), ['/dev/zero: is not a plain file']);
  t.test('and one without permission', { skip: process.getuid?.() === 0 && 'root may read everything' }, async (t) => {
    const closed = join(directory, 'closed.yaml');
    writeFileSync(closed, '');
    chmodSync(closed, 0);
    t.match(problems(t, closed), [/closed\.yaml: no permission to read it/]);
  });
});

t.test('values that exclude each other are refused, at the place of the first', async (t) => {
  const cases: [string, string | null][] = [
    ['listener: { host: 0.0.0.0 }', 'c.yaml:1:13: listener.host is 0.0.0.0: whoever reaches it'],
    ['listener: { host: "::" }', 'listener.host is ::: whoever reaches it'],
    ['listener: { host: 0.0.0.0, allowNonLoopback: true }', null],
    ['listener: { host: 127.1.2.3 }', null],
    ['listener: { host: "::1" }', null],
    ['listener: { host: localhost }', null],
    ['listener: { port: 14191 }', 'operator.port is 14191, and so is listener.port'],
    ['listener: { port: 14191 }\noperator: { enabled: false }', null],
    ['listener: { port: 0 }\noperator: { port: 0 }', null],
    [
      'destinations: [{ match: a, localPort: 14140 }]',
      'c.yaml:1:28: destinations[0].localPort is 14140, and so is listener.port',
    ],
    [
      'destinations: [{ match: a, localPort: 9 }, { match: b, localPort: 9 }]',
      'destinations[1].localPort is 9, and so is destinations[0].localPort',
    ],
    [
      'destinations: [{ match: "*.a", localPort: 9 }]',
      'destinations[0].localPort serves one destination, but match *.a names many',
    ],
    ['control: { port: 9 }', 'control.port needs control.tokenFile'],
    ['control: { port: 9, tokenFile: /token }', null],
    ['control: { port: 14140, tokenFile: /token }', 'control.port is 14140, and so is listener.port'],
    [
      'destinations: [{ match: "A:80" }, { match: "a.:80" }]',
      'destinations[1].match is a:80, and so is destinations[0].match',
    ],
    ['destinations: [{ match: "a:80" }, { match: a }]', null],
    [
      'destinations: [{ match: a, name: n }, { match: b, name: n }]',
      'destinations[1].name is n, the label of destinations[0] too',
    ],
    [
      'destinations: [{ match: "a:80" }, { match: b, name: "a:80" }]',
      'destinations[1].name is a:80, the label of destinations[0] too',
    ],
    [
      'defaults: { pool: { minConnections: 2000 } }',
      'defaults.pool.minConnections is 2000, more than maxConnections (1024)',
    ],
    [
      'destinations: [{ match: a, pool: { maxConnections: 2 } }]\ndefaults: { pool: { minConnections: 3 } }',
      'destinations[0].pool.minConnections is 3, more than maxConnections (2)',
    ],
    ['defaults: { pool: { minConnections: 2000 } }\ndestinations: [{ match: a }]', 'defaults.pool.minConnections'],
    ['defaults: { tls: { cert: /c } }', 'defaults.tls.cert needs defaults.tls.key beside it'],
    [
      'destinations: [{ match: a, tls: { key: /k } }]',
      'destinations[0].tls.key needs destinations[0].tls.cert beside it',
    ],
    [
      'defaults: { tls: { cert: /c, key: /k } }\ndestinations: [{ match: a, tls: { cert: null } }]',
      'destinations[0].tls.key needs destinations[0].tls.cert beside it',
    ],
    [
      'defaults: { tls: { serverName: "a:443" } }',
      'must be a host name or an IP address, without a port and without *',
    ],
    ['defaults: { tls: { serverName: "*.shop" } }', 'must be a host name or an IP address'],
    ['defaults: { tls: { serverName: "fd00::1" } }', null],
    ['discovery: { dns: { minTtl: 2m } }', 'discovery.dns.minTtl is longer than discovery.dns.maxTtl'],
    [
      'limits: { destinations: 1 }\ndestinations: [{ match: a }, { match: b }]',
      'limits.destinations is 1, but the file has 2 destinations',
    ],
  ];
  for (const [yaml, expected] of cases) {
    const lines = problemsOf(t, yaml);
    t.equal(lines.length, expected === null ? 0 : 1, `${yaml}: ${lines.join(' / ')}`);
    if (expected !== null) t.ok(lines[0]?.includes(expected), `${yaml}: ${lines[0]}`);
  }
});

t.test('a value that is wrong by itself is not also told as clashing', async (t) => {
  t.equal(problemsOf(t, 'defaults: { pool: { minConnections: 2000, maxConnections: lots } }').length, 1);
  t.equal(problemsOf(t, 'control: { port: 9, tokenFile: token }').length, 1);
});

t.test('a mistake in the file is told also where a variable overrides the value', async (t) => {
  const file = join(t.testdir({ 'c.yaml': 'listener: { port: x }' }), 'c.yaml');
  t.throws(() => loadConfig({ file, env: { CARPOOL_LISTENER_PORT: '1' }, flags: [] }), /listener\.port is "x"/);
});

t.test('what may be a secret is not shown', async (t) => {
  const lines = problemsOf(
    t,
    'control: { tokenFile: hunter2 }\ndestinations: [{ match: "user:hunter2@host:80" }, { match: a, endpoints: ["http://user:hunter2@10.0.0.1:80"] }]\n',
  );
  t.equal(lines.length, 3);
  t.notMatch(lines.join('\n'), /hunter2/);
  const key = problemsOf(t, 'defaults: { tls: { cert: /c, key: "-----BEGIN PRIVATE KEY----- hunter2" } }');
  t.match(key, [/defaults\.tls\.key is wrong \(its value is not shown\)/]);
  t.notMatch(key.join(), /hunter2/);
  t.match(lines[0], /control\.tokenFile is wrong \(its value is not shown\): must be an absolute path/);
});

t.test('a problem is one line whatever the file holds, and a long value is cut', async (t) => {
  const lines = problemsOf(t, `profile: "a\\nb\\u0007${'x'.repeat(500)}"\n"li\\nne": 1\n`);
  t.equal(lines.length, 2);
  for (const line of lines) t.ok(line.length < 300 && ![...line].some((c) => c < ' '), line);
});

t.test('a file with thousands of problems is refused with the first of them', async (t) => {
  const lines = problemsOf(t, Array.from({ length: 5000 }, (_, n) => `nonsense${n}: 1`).join('\n'));
  t.equal(lines.length, 201);
  t.match(lines.at(-1), /and more problems/);
});
