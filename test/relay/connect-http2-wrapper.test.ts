import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import wrapper from 'http2-wrapper';
import t from 'tap';
import { CertificateAuthority } from '../certificate-authority.ts';
import { startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

t.test('a client of another make speaks HTTP/2 over TLS through CONNECT, end to end, on one tunnel', async (t) => {
  const authority = await CertificateAuthority.create('test CA');
  const { cert, key } = await authority.issue('origin', { names: ['orders.test'] });
  let sessions = 0;
  const origin = http2.createSecureServer({ cert, key });
  origin.on('session', () => sessions++);
  origin.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.respond({ ':status': 200, 'x-path': String(headers[':path']) });
    stream.end('by HTTP/2');
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  t.teardown(() => origin.close());
  const { port: originPort } = origin.address() as AddressInfo;
  const { port, app } = await startSidecar(t, {
    connect: { tlsPorts: [originPort] },
    destinations: [{ match: `orders.test:${originPort}`, endpoints: [`127.0.0.1:${originPort}`] }],
  });
  const agent = new wrapper.proxies.Http2OverHttp({
    proxyOptions: { url: new URL(`http://127.0.0.1:${port}`), raw: true },
  });
  t.teardown(() => agent.destroy());
  for (const path of ['/one', '/two']) {
    const request = wrapper.request(`https://orders.test:${originPort}${path}`, { agent, ca: authority.cert });
    request.end();
    const [response] = await once(request, 'response');
    t.equal(response.statusCode, 200);
    t.equal(response.headers['x-path'], path);
    let body = '';
    for await (const piece of response) body += String(piece);
    t.equal(body, 'by HTTP/2');
  }
  t.equal(sessions, 1);
  t.equal(app.process().tunnels, 1);
  agent.destroy();
  await eventually(() => app.process().tunnels === 0);
});
