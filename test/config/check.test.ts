import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCheck } from '../../src/cli/check.ts';
import { flagsFrom } from '../../src/config/flags.ts';

function check(t: Test, yaml: string, env = {}, set: string[] = []) {
  const file = join(t.testdir({ 'carpool.yaml': yaml }), 'carpool.yaml');
  const out: string[] = [];
  const err: string[] = [];
  const code = runCheck(file, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env,
    flags: flagsFrom({ set }, {}).flags,
  });
  return { code, out, err, file };
}

t.test('a good file is ok, with a short summary, and exit code 0', async (t) => {
  const { code, out, err, file } = check(
    t,
    'listener: { port: 15000 }\ndestinations: [{ match: "a:80", name: a, localPort: 15001, endpoints: ["10.0.0.1:80"], pool: { maxConnections: 5 } }]',
  );
  t.equal(code, 0);
  t.equal(out[0], `${file}: ok`);
  t.match(out.join('\n'), 'profile production; 6 settings from the file, 0 from the environment, 0 from flags');
  t.match(out.join('\n'), 'listens on 127.0.0.1:15000, operator port 14191');
  t.match(out.join('\n'), 'destination a:80 (a): 5 connections, 1 static endpoint, local port 15001');
  t.same(err, []);
});

t.test('the summary tells what grows, who divides and which way calls to the outside go', async (t) => {
  const { out } = check(
    t,
    `fleet: { coordinator: redis, maxConnections: 40, redis: { url: "redis://r:6379" } }
egress: { parentProxy: { url: "http://proxy.corp:3128" } }
destinations: [{ match: "a:80", pool: { maxConnections: 1, minConnections: auto, scaling: load } }, { match: "b:80", pool: { minConnections: 3 } }]`,
  );
  t.match(out.join('\n'), 'calls to the outside go by the parent proxy http://proxy.corp:3128');
  t.match(out.join('\n'), 'redis divides the budgets of the fleet');
  t.match(
    out.join('\n'),
    'destination a:80: 1 connection, a learned floor, a limit that follows the load, 40 connections for the fleet',
  );
  t.match(out.join('\n'), 'destination b:80: 1024 connections, 3 kept warm, 40 connections for the fleet');
});

t.test('warnings are told beside ok', async (t) => {
  const { code, err } = check(t, 'destinations: [{ match: a, basePath: /x }]', { CARPOOL_NONSENSICAL: '1' });
  t.equal(code, 0);
  t.match(err, [
    /^warning: CARPOOL_NONSENSICAL: no setting/,
    /^warning: .*destinations\[0\]\.basePath does nothing without localPort$/,
  ]);
  t.match(check(t, 'defaults: { pool: { maxConnections: 20000 } }').err, [/limits\.maxConnections allows 10000/]);
});

t.test('five mistakes are five lines on standard error, and exit code 78', async (t) => {
  const { code, out, err } = check(
    t,
    'profile: prod\nlistener: { prt: 1 }\ndestinations: [{ match: "a:b" }]\n',
    { CARPOOL_POOL_MAX_IDLE: 'x' },
    ['shutdown.grace=30'],
  );
  t.equal(code, 78);
  t.equal(err.length, 5);
  t.same(out, []);
});

t.test('a file that is not there is one line and exit code 78', async (t) => {
  const err: string[] = [];
  const code = runCheck('/nowhere/carpool.yaml', { out: () => t.fail('nothing is ok'), err: (line) => err.push(line) });
  t.equal(code, 78);
  t.same(err, ['/nowhere/carpool.yaml: there is no such file']);
});
