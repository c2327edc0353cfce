import { createHash, randomBytes, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { startApp } from '../http2/apps.ts';
import { type Answer, type Captured, type Origin, startOrigin } from '../http2/origins.ts';
import { startSidecar } from '../sidecar.ts';

/** The four directions of translation: what the app speaks, and what the origin speaks. */
const SPOKEN = ['http1', 'http2'] as const;

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

for (const down of SPOKEN) {
  for (const up of SPOKEN) {
    t.test(`from ${down} to ${up}`, async (t) => {
      const start = async (t: Test, answer: (request: Captured) => Answer) => {
        const origin: Origin = await startOrigin(t, up, answer);
        const authority = `orders.test:${origin.port}`;
        const { port, app: sidecar } = await startSidecar(t, {
          destinations: [{ match: authority, protocol: up, endpoints: [`127.0.0.1:${origin.port}`] }],
        });
        return { origin, authority, app: startApp(t, down, port), sidecar };
      };

      t.test('a GET and its answer arrive whole', async (t) => {
        const { origin, authority, app } = await start(t, () => ({
          headers: { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] },
          body: 'hello',
        }));
        const response = await app.send({
          authority,
          path: '/a/b?c=%20d',
          headers: { 'x-question': 'why', accept: '*/*' },
        });
        t.equal(response.status, 200);
        t.equal(response.body.toString(), 'hello');
        t.equal(response.headers['x-answer'], 'yes');
        t.same(response.headers['set-cookie'], ['a=1', 'b=2']);
        t.equal(response.headers['content-length'], '5');
        const [request] = origin.requests;
        t.match(request, { spoken: up, method: 'GET', path: '/a/b?c=%20d', authority, bodyBytes: 0 });
        t.equal(request?.headers['x-question'], 'why');
        t.equal(request?.scheme, up === 'http2' ? 'http' : null);
        for (const name of ['proxy-connection', 'keep-alive', 'x-forwarded-for', 'via', 'transfer-encoding'])
          t.equal(request?.headers[name], undefined, `${name} is not there`);
      });

      t.test('a body with a length arrives with that length', async (t) => {
        const { origin, authority, app } = await start(t, () => ({ status: 201 }));
        const response = await app.send({ method: 'POST', authority, body: 'what is it' });
        t.equal(response.status, 201);
        t.equal(origin.requests[0]?.body, 'what is it');
        t.equal(origin.requests[0]?.headers['content-length'], '10');
      });

      t.test('a body without a length and its trailers arrive', async (t) => {
        const { origin, authority, app } = await start(t, (request) => ({ body: request.body }));
        const response = await app.send({
          method: 'POST',
          authority,
          body: 'no length',
          trailers: { 'x-checksum': 'abc' },
        });
        t.equal(response.body.toString(), 'no length');
        t.equal(origin.requests[0]?.body, 'no length');
        t.equal(origin.requests[0]?.headers['content-length'], undefined);
        t.equal(origin.requests[0]?.trailers['x-checksum'], 'abc');
      });

      t.test('an answer without a length and its trailers arrive', async (t) => {
        const { authority, app } = await start(t, () => ({ body: 'streamed', trailers: { 'grpc-status': '0' } }));
        const response = await app.send({ authority });
        t.equal(response.body.toString(), 'streamed');
        t.equal(response.trailers['grpc-status'], '0');
        t.equal(response.headers['content-length'], undefined);
      });

      t.test('an empty answer without a length has an end', async (t) => {
        const { authority, app } = await start(t, () => ({ lengthless: true }));
        const first = await app.send({ authority });
        t.equal(first.status, 200);
        t.equal(first.body.length, 0);
        t.equal((await app.send({ authority })).status, 200, 'and the connection goes on');
      });

      t.test('HEAD, 204 and 304 have no body, and what they say of one passes', async (t) => {
        const { origin, authority, app } = await start(t, (request) =>
          request.path === '/204'
            ? { status: 204 }
            : request.path === '/304'
              ? { status: 304, headers: { etag: '"e"' } }
              : { body: 'x' },
        );
        const head = await app.send({ method: 'HEAD', authority });
        t.equal(head.status, 200);
        t.equal(head.headers['content-length'], '1');
        t.equal(head.body.length, 0);
        t.equal((await app.send({ authority, path: '/204' })).status, 204);
        const unchanged = await app.send({ authority, path: '/304' });
        t.equal(unchanged.status, 304);
        t.equal(unchanged.headers.etag, '"e"');
        t.equal((await app.send({ authority })).body.toString(), 'x');
        t.equal(origin.connections(), 1);
      });

      t.test('an interim response passes', async (t) => {
        const { authority, app } = await start(t, () => ({
          hints: { link: '</style.css>; rel=preload' },
          body: 'page',
        }));
        const response = await app.send({ authority });
        t.same(response.interims, [103]);
        t.equal(response.body.toString(), 'page');
      });

      t.test('Expect: 100-continue is answered by the origin', async (t) => {
        const { origin, authority, app } = await start(t, () => ({ body: 'thanks' }));
        const response = await app.send({
          method: 'PUT',
          authority,
          body: 'after 100',
          headers: { expect: '100-continue' },
        });
        t.equal(response.body.toString(), 'thanks');
        t.equal(origin.requests[0]?.body, 'after 100');
      });

      t.test('cookies arrive as one field', async (t) => {
        const { origin, authority, app } = await start(t, () => ({}));
        await app.send({ authority, headers: { cookie: down === 'http2' ? ['a=1', 'b=2'] : 'a=1; b=2' } });
        t.equal(origin.requests[0]?.headers.cookie, 'a=1; b=2');
      });

      t.test('megabytes pass both ways, unchanged', async (t) => {
        const big = randomBytes(3_000_000);
        let got = '';
        const { origin, authority, app } = await start(t, (request) => {
          got = `${request.bodyBytes}`;
          return { body: big };
        });
        const response = await app.send({ method: 'POST', authority, body: big });
        t.equal(got, '3000000');
        t.equal(sha(response.body), sha(big));
        const lengthless = await app.send({ method: 'POST', authority, body: big, lengthless: true });
        t.equal(sha(lengthless.body), sha(big));
        t.equal(origin.requests[1]?.bodyBytes, 3_000_000);
      });

      t.test('each of many answers belongs to its question', async (t) => {
        const { origin, authority, app, sidecar } = await start(t, (request) => ({
          body: `${request.headers['x-id']} ${request.body}`,
        }));
        let crossed = 0;
        const one = async (index: number): Promise<void> => {
          const id = randomUUID();
          const body = index % 2 === 0 ? undefined : `body of ${id}`;
          const response = await app.send({
            method: body === undefined ? 'GET' : 'POST',
            authority,
            path: `/${index}`,
            headers: { 'x-id': id },
            body,
          });
          if (response.body.toString() !== `${id} ${body ?? ''}`) crossed++;
        };
        for (let round = 0; round < 5; round++) {
          await Promise.all(Array.from({ length: 40 }, (_, index) => one(round * 40 + index)));
        }
        t.equal(crossed, 0);
        t.equal(origin.requests.length, 200);
        t.equal(new Set(origin.requests.map(({ path }) => path)).size, 200, 'each came once');
        const [stats] = sidecar.destinations();
        t.equal(
          stats?.endpoints[0]?.connections.reduce((sum, { requests }) => sum + requests, 0),
          200,
          'the pool counts what the origin counts',
        );
        if (up === 'http2') t.equal(origin.connections(), 1, 'one connection carries them all');
      });
    });
  }
}
