import { once } from 'node:events';
import http2 from 'node:http2';
import t from 'tap';
import { API, authority, startTlsRelay } from './tls-fixture.ts';

t.test('auto: a server that agrees on h2 is spoken to by HTTP/2, and requests share the connection', async (t) => {
  const own = await authority.issue('server', { names: [API] });
  let sessions = 0;
  const server = http2.createSecureServer({ ...own, allowHTTP1: true }, (request, response) => {
    response.setHeader('content-length', '10');
    response.end(`${request.httpVersion} ${request.headers[':scheme'] ?? 'none'}`.padEnd(10, '.'));
  });
  server.on('session', (session) => {
    sessions++;
    t.teardown(() => session.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const relay = await startTlsRelay(t, port, {}, { entry: { protocol: 'auto' } });
  const answers = await Promise.all([1, 2, 3, 4].map(() => relay.fetch(`https://${API}/`)));
  for (const answer of answers) t.match(answer, /200 OK[\s\S]*2\.0 https\.$/);
  t.equal(sessions, 1);
  t.test('protocol: http1 keeps to HTTP/1.1', async (t) => {
    const second = await startTlsRelay(t, port);
    t.match(await second.fetch(`https://${API}/`), /1\.1 none\.\.$/);
    t.equal(sessions, 1);
  });
});
