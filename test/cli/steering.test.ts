import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { call } from '../admin/call.ts';
import { namedOrigin } from '../app/traffic.ts';
import { startSidecar } from '../sidecar.ts';
import { parseExposition, sampleValue } from '../telemetry/exposition-parser.ts';
import { runCli } from './run-cli.ts';

const SHOP = 'shop.demo:80';

/** A running sidecar with one destination, and the commands for it. */
async function setup(t: Test, pauseTimeout: string | number = '10s') {
  const origin = await namedOrigin(t, 'shop');
  const { port, operatorPort, configFile, clock } = await startSidecar(t, {
    destinations: [{ match: SHOP, endpoints: [`127.0.0.1:${origin.port}`], pool: { pauseTimeout } }],
  });
  const socket = join(dirname(configFile), 'control.sock');
  const ask = () => call({ port }, 'http://shop.demo/', { headers: { host: 'shop.demo' } });
  const cli = (...argv: string[]) => runCli([...argv, '--socket', socket]);
  const metric = async (name: string, labels: Record<string, string> = {}) => {
    const { body } = await call({ port: operatorPort }, '/metrics');
    return sampleValue(parseExposition(body, 'prometheus'), name, { destination: SHOP, ...labels });
  };
  return { origin, clock, ask, cli, metric };
}

t.test('pause holds new requests, shows in pools and metrics, and resume lets them through', async (t) => {
  const { origin, ask, cli, metric } = await setup(t);
  t.equal((await ask()).status, 200);
  t.match(await cli('pause', SHOP), { code: 0, out: /^shop\.demo:80 is paused/ });
  t.match(await cli('pause', SHOP), { code: 0, out: /was paused already/ });
  const held = ask();
  while (!/ 1 +1024 .*paused/.test((await cli('pools')).out));
  t.equal(origin.answered, 1, 'it waits');
  t.equal(await metric('carpool_pool_paused'), 1);
  t.match(await cli('resume', SHOP), { code: 0, out: /is resumed/ });
  t.equal((await held).status, 200);
  t.match(await cli('resume', SHOP), { code: 0, out: /was not paused/ });
  t.equal(await metric('carpool_pool_paused'), 0);
  t.notMatch((await cli('pools')).out, 'paused');
});

t.test('who waits longer than pool.pauseTimeout gets PAUSED, with what to do', async (t) => {
  const { clock, ask, cli, metric } = await setup(t);
  await ask();
  await cli('pause', SHOP);
  const held = ask();
  while (!/ 1 +1024 .*paused/.test((await cli('pools')).out));
  clock.advance(10_000);
  t.match(await held, { status: 503, body: /"code":"PAUSED".*carpool resume/ });
  t.equal(await metric('carpool_errors_total', { code: 'PAUSED' }), 1);
});

t.test('reconnect replaces the connections of a destination', async (t) => {
  const { ask, cli, metric } = await setup(t);
  await ask();
  t.match(await cli('reconnect', SHOP), {
    code: 0,
    out: '1 connection of shop.demo:80 replaced; busy ones finish what they carry first\n',
  });
  t.equal((await ask()).status, 200);
  t.equal(await metric('carpool_pool_connections_created_total'), 2);
  t.equal(await metric('carpool_pool_connections_closed_total', { reason: 'admin' }), 1);
});

t.test('what has no such name cannot be held', async (t) => {
  const { cli } = await setup(t);
  t.match(await cli('pause', 'no such name'), { code: 1, err: /no destination is called no such name/ });
  t.match(await cli('reconnect', 'nobody:1'), { code: 1, err: /no destination is called nobody:1/ });
});

t.test('one that is configured and not used yet is told from one that there is not, and can be held', async (t) => {
  const { ask, cli } = await setup(t, 0);
  for (const command of ['pools', 'evict', 'reconnect'])
    t.match(await cli(command, SHOP), { code: 1, err: /^.*shop\.demo:80 is configured, but not used yet\n/ }, command);
  t.match(await cli('pools', 'other.demo:80'), { code: 1, err: /no destination is called other\.demo:80/ });
  t.match(await cli('pause', SHOP), { code: 0, out: /new ones are answered 503 PAUSED at once/ });
  t.match(await ask(), { status: 503, body: /PAUSED/ });
  t.match(await cli('pools', SHOP), { code: 0, out: /paused/ });
});
