import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { delimiter, dirname } from 'node:path';
import t, { type Test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { Child, carpool, cleanEnvironment, holdConnection } from './child.ts';

const curl = spawnSync('curl', ['--version']).status === 0;

/** Runs a line as a user would type it, in the project's directory. */
async function typed(t: Test, line: string) {
  const env = cleanEnvironment();
  const child = new Child(t, 'sh', ['-c', line], {
    ...env,
    PATH: `${dirname(process.execPath)}${delimiter}${env.PATH}`,
  });
  const { code } = await child.ended;
  return { code, out: child.out.text, err: child.err.text };
}

t.test('each line that the demo prints works as it stands', { skip: curl ? false : 'no curl here' }, async (t) => {
  const demo = carpool(t, ['demo', '--port', '0', '--set', 'operator.port=0']);
  await demo.out.with('Ctrl-C stops it');
  const lines = demo.out.all.filter((line) => line.startsWith('  ')).map((line) => line.trim());
  const [page = '', watch = ''] = lines.splice(0, 2);
  t.match(page, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  t.match(await typed(t, `curl -s ${page}`), { code: 0, out: /<title>/ }, 'the status page');
  // It needs a terminal, which there is none here.
  t.match(watch, / watch --url /);
  t.match(await typed(t, watch), { err: /terminal/ });
  const expected: [string, RegExp][] = [
    ['http://hello.demo/ ', /^\{"hello":"\w+","answered":1,"method":"GET","path":"\/"/],
    ['hello.demo/post', /^\{"hello":"\w+","answered":\d+,"method":"POST","path":"\/post"/],
    ['for i in', /^(\{"hello":"\w+","answered":\d+,"method":"GET","path":"\/[1-6]".*\n){6}$/],
    ['no-such-host.example', /^\{"code":"(NO_ROUTE|DNS_TIMEOUT)".*"hint":"/],
    ['/stats', /"name": ?"hello\.demo:80"/],
    ['/metrics', /^carpool_requests_total\{.*destination="hello\.demo:80"\} \d+$/m],
    ['/health/connections', /"destination": ?"hello\.demo:80"/],
    [' pools', /^DESTINATION .*\nhello\.demo:80 /],
    [' connections', /^ *ID .*\n *\d+ +hello\.demo:80 /],
    [' evict', /^\d connections? retired/],
  ];
  t.equal(lines.length, expected.length, lines.join('\n'));
  for (const [index, [part, output]] of expected.entries()) {
    const line = lines[index] ?? '';
    t.ok(line.includes(part), line);
    if (part === ' pools') await holdConnection(t, Number(/127\.0\.0\.1:(\d+)/.exec(lines[0] ?? '')?.[1]));
    const { code, out, err } = await typed(t, line);
    t.equal(code, 0, err);
    t.match(out, output, line);
  }
  demo.signal('SIGINT');
  await demo.out.with('stopping');
  demo.signal('SIGINT');
  t.match(await demo.ended, { code: 0 });
});

t.test('where a port of the demo is taken it says how to have others', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const demo = carpool(t, ['demo', '--port', String(portOf(server))]);
  t.match(await demo.ended, { code: 1 });
  t.match(
    demo.err.text,
    /\(listener\.port\) is in use .*\ncarpool demo --port 0 --set operator\.port=0 takes free ports/,
  );
  t.notMatch(demo.out.text, 'Try,');
});

t.test('a wrong argument of the demo is told', async (t) => {
  const demo = carpool(t, ['demo', '--prot', '1']);
  t.match(await demo.ended, { code: 64 });
  t.match(demo.err.text, /^carpool demo takes --port/);
});
