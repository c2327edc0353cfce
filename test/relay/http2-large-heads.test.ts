import { once } from 'node:events';
import http2 from 'node:http2';
import t from 'tap';
import { startOrigin } from '../http2/origins.ts';
import { startSidecar } from '../sidecar.ts';

const large = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`x-large-${index}`, 'v'.repeat(7000)]));

t.test(
  'a request head over listener.maxHeadBytes is answered 431, and other streams of the connection go on',
  async (t) => {
    const origin = await startOrigin(t, 'http2', () => ({ body: 'fine' }));
    const authority = `orders.test:${origin.port}`;
    const { port } = await startSidecar(t, {
      destinations: [{ match: authority, protocol: 'http2', endpoints: [`127.0.0.1:${origin.port}`] }],
    });
    const session = http2.connect(`http://127.0.0.1:${port}`, { maxSendHeaderBlockLength: 200_000 });
    t.teardown(() => session.destroy());
    const other = session.request({ ':authority': authority, ':method': 'POST' }, { endStream: false });
    const refused = session.request({ ':authority': authority, ...large });
    const [headers] = (await once(refused, 'response')) as [http2.IncomingHttpHeaders];
    t.equal(headers[':status'], 431);
    refused.resume();
    other.end('still here');
    const [answer] = (await once(other, 'response')) as [http2.IncomingHttpHeaders];
    t.equal(answer[':status'], 200);
    other.resume();
  },
);

t.test('a response head over listener.maxHeadBytes is a 502 for its own request alone', async (t) => {
  const origin = await startOrigin(t, 'http2', ({ path }) =>
    path === '/large' ? { headers: large } : { body: 'fine' },
  );
  const authority = `orders.test:${origin.port}`;
  const { port } = await startSidecar(t, {
    destinations: [
      { match: authority, protocol: 'http2', retry: { attempts: 1 }, endpoints: [`127.0.0.1:${origin.port}`] },
    ],
  });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const other = session.request({ ':authority': authority, ':method': 'POST' }, { endStream: false });
  const [headers] = (await once(session.request({ ':authority': authority, ':path': '/large' }), 'response')) as [
    http2.IncomingHttpHeaders,
  ];
  t.equal(headers[':status'], 502);
  other.end('still here');
  const [answer] = (await once(other, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(answer[':status'], 200);
  t.equal(origin.connections(), 1);
  other.resume();
});
