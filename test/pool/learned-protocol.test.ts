import http from 'node:http';
import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { startSidecar } from '../sidecar.ts';
import { appClient, statsOf, TARGET, toOrigins } from './origins.ts';

/** A server on a port of its own until the test ends. */
async function listening(t: Test, server: http.Server | http2.Http2Server): Promise<{ port: number }> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { port: address.port };
}

t.test(
  'requests that come by HTTP/2 for a server that speaks HTTP/1.1 alone are answered, each by HTTP/1.1',
  async (t) => {
    const origin = await listening(
      t,
      http.createServer((request, response) => response.end(`${request.httpVersion} ${request.url}`)),
    );
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
    const app = http2.connect(`http://127.0.0.1:${sidecar.port}`);
    t.teardown(() => app.destroy());
    const get = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const stream = app.request({ ':path': path, ':authority': TARGET });
        let body = '';
        stream.setEncoding('utf8');
        stream.on('data', (text: string) => {
          body += text;
        });
        stream.on('end', () => resolve(body));
        stream.on('error', reject);
      });
    t.same(await Promise.all(['/a', '/b', '/c'].map(get)), ['1.1 /a', '1.1 /b', '1.1 /c']);
    const [endpoint] = statsOf(sidecar).endpoints;
    t.same(
      endpoint?.connections.map(({ protocol, state }) => [protocol, state]),
      [
        ['http1', 'idle'],
        ['http1', 'idle'],
        ['http1', 'idle'],
      ],
    );
    t.equal(endpoint?.state, 'ready', 'it has not failed');
  },
);

t.test('apps that speak HTTP/1.1 share one connection to a server that is spoken to by HTTP/2', async (t) => {
  let sessions = 0;
  const server = http2.createServer((request, response) => {
    const body = `${request.httpVersion} ${request.url}`;
    response.setHeader('content-length', body.length);
    response.end(body);
  });
  server.on('session', (session) => {
    sessions++;
    t.teardown(() => session.destroy());
  });
  const origin = await listening(t, server);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { protocol: 'http2' })] });
  const apps = [await appClient(t, sidecar), await appClient(t, sidecar), await appClient(t, sidecar)];
  for (const [index, app] of apps.entries()) app.send(`/${index}`);
  for (const [index, app] of apps.entries()) t.equal((await app.response()).body, `2.0 /${index}`);
  t.equal(sessions, 1);
  t.match(statsOf(sidecar).endpoints[0]?.connections, [{ protocol: 'http2', state: 'idle', requests: 3, streams: 0 }]);
});
