import { dirname, join } from 'node:path';
import t from 'tap';
import { call } from '../admin/call.ts';
import { reload, startSidecar } from '../sidecar.ts';
import { runCli } from './run-cli.ts';

t.test('config is the same by the operator port and by the control socket, and follows a reload', async (t) => {
  const sidecar = await startSidecar(t, { defaults: { pool: { maxIdle: 7 } } });
  const url = `http://127.0.0.1:${sidecar.operatorPort}`;
  const socket = join(dirname(sidecar.configFile), 'control.sock');
  const cli = async (...argv: string[]) => (await runCli(['config', ...argv])).out;
  const byUrl = await cli('-o', 'json', '--url', url);
  t.equal(await cli('-o', 'json', '--socket', socket), byUrl);
  t.match(JSON.parse(byUrl), [{ path: /./, origin: /./, where: '' }]);
  t.match(await cli('maxidle', '--url', url), /^defaults\.pool\.maxIdle +7 +file +\S+carpool\.yaml:\d+:\d+$/m);
  await reload(sidecar, { defaults: { pool: { maxIdle: 8 } } });
  t.match(await cli('maxIdle', '--url', url), /^defaults\.pool\.maxIdle +8 +file /m);
});

t.test('config can be narrowed to a part of a path and to what is changed', async (t) => {
  const sidecar = await startSidecar(t, { defaults: { pool: { maxIdle: 7, idleTimeout: null } } });
  const url = `http://127.0.0.1:${sidecar.operatorPort}`;
  const cli = (...argv: string[]) => runCli(['config', ...argv, '--url', url]);
  const paths = async (...argv: string[]) =>
    (await cli(...argv)).out
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(' ')[0]);
  t.ok((await paths()).length > 100);
  t.ok((await paths('defaults.POOL')).every((path) => path?.startsWith('defaults.pool.')));
  t.same(await paths('defaults.pool', '--changed'), ['defaults.pool.idleTimeout', 'defaults.pool.maxIdle']);
  t.match((await cli('idleTimeout')).out, /^defaults\.pool\.idleTimeout +none +file/m);
  t.match((await cli('listener.headTimeout')).out, /^listener\.headTimeout +10s +default +-$/m);
  t.match(await cli('maxIdel'), {
    code: 0,
    out: '',
    err: 'no setting has maxIdel in its path; did you mean maxIdle? carpool config lists them all.\n',
  });
  t.equal((await cli('nosuch')).err, 'no setting has nosuch in its path. carpool config lists them all.\n');
  t.match(await cli('limits', '--changed'), {
    out: '',
    err: 'every setting with limits in its path has its default\n',
  });
});

t.test('the page reads the same, and /debug/config without sources is as it was', async (t) => {
  const { operatorPort } = await startSidecar(t);
  const read = async (path: string) => (await call({ port: operatorPort }, path)).body;
  t.match(JSON.parse(await read('/debug/config?sources')), { settings: [{ path: 'connect.sniffTimeout' }] });
  t.match(JSON.parse(await read('/debug/config')), { profile: 'production', listener: { host: '127.0.0.1' } });
});
