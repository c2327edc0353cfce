import t from 'tap';
import { http1Origin, http2Origin } from './origin.ts';
import { startSidecar } from './sidecar.ts';
import { debianTool, missing } from './tools.ts';

const NAME = 'orders.test:8080';

t.test('nghttp gets an answer by a local port, a large one too', { skip: missing('nghttp') }, async (t) => {
  const origin = await http2Origin(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: origin.port, protocol: 'http2' }]);
  const url = `http://127.0.0.1:${sidecar.local(NAME)}`;
  t.match(await debianTool('nghttp', [`${url}/`]), { code: 0, stdout: 'hello\n' });
  const { code, stdout } = await debianTool('nghttp', [`${url}/big?1`, `${url}/big?2`, `${url}/`]);
  t.equal(code, 0);
  t.equal(stdout.length, (2 << 20) + 6, 'three answers, side by side on one connection');
});

t.test('nghttp names the destination by :authority at the main port', { skip: missing('nghttp') }, async (t) => {
  const origin = await http2Origin(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: origin.port, protocol: 'auto' }]);
  const by = [`--header=:authority: ${NAME}`, `http://127.0.0.1:${sidecar.port}/`];
  t.match(await debianTool('nghttp', by), { code: 0, stdout: 'hello\n' });
});

t.test('h2load finds each of its requests answered', { skip: missing('h2load') }, async (t) => {
  for (const [protocol, open] of [
    ['http2', http2Origin],
    ['http1', http1Origin],
  ] as const) {
    const origin = await open(t);
    const sidecar = await startSidecar(t, [{ match: NAME, origin: origin.port, protocol }]);
    const url = `http://127.0.0.1:${sidecar.local(NAME)}/`;
    const { code, stdout } = await debianTool('h2load', ['-n', '5000', '-c', '8', '-m', '32', url]);
    t.equal(code, 0);
    t.match(stdout, /5000 succeeded, 0 failed, 0 errored, 0 timeout/, `to an origin that speaks ${protocol}`);
    t.comment(/^finished in.*/m.exec(stdout)?.[0] ?? '');
    t.equal((await sidecar.metrics()).sum('carpool_requests_total', { protocol: 'http2', code_class: '2xx' }), 5000);
    if (protocol === 'http2') t.ok(origin.connections < 8, `over ${origin.connections} connections`);
  }
});

/** curl's words on what came, behind the body. */
const SAY = ['--silent', '--show-error', '--max-time', '20', '--write-out', ' %{http_version} %{response_code}'];

t.test('curl speaks HTTP/2 at the main port and at a local one', { skip: missing('curl') }, async (t) => {
  const origin = await http2Origin(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: origin.port, protocol: 'auto' }]);
  const http2 = [...SAY, '--http2-prior-knowledge'];
  const there = ['--connect-to', `${NAME}:127.0.0.1:${sidecar.port}`, `http://${NAME}/`];
  t.match(await debianTool('curl', [...http2, ...there]), { code: 0, stdout: 'hello\n 2 200' });
  const local = `http://127.0.0.1:${sidecar.local(NAME)}/`;
  t.match(await debianTool('curl', [...http2, local]), { code: 0, stdout: 'hello\n 2 200' });
  const upload = ['--data-binary', 'x'.repeat(100_000), ...there];
  t.match(await debianTool('curl', [...http2, ...upload]), { code: 0, stdout: '100000 bytes\n 2 200' });
  t.equal(origin.connections, 1, 'one connection carries them all');
});

t.test('curl speaks HTTP/2 and HTTP/1.1 inside CONNECT, and both are seen', { skip: missing('curl') }, async (t) => {
  const [two, one] = [await http2Origin(t), await http1Origin(t)];
  const sidecar = await startSidecar(t, [
    { match: 'two.test:8080', origin: two.port, protocol: 'auto' },
    { match: 'one.test:8080', origin: one.port, protocol: 'auto' },
  ]);
  const tunnel = [...SAY, '--proxytunnel', '--proxy', `http://127.0.0.1:${sidecar.port}`];
  const http2 = await debianTool('curl', [...tunnel, '--http2-prior-knowledge', 'http://two.test:8080/']);
  t.match(http2, { code: 0, stdout: 'hello\n 2 200' });
  const http1 = await debianTool('curl', [...tunnel, 'http://one.test:8080/', 'http://one.test:8080/']);
  t.match(http1, { code: 0, stdout: 'hello\n 1.1 200hello\n 1.1 200' });
  const metrics = await sidecar.metrics();
  t.equal(metrics.sum('carpool_requests_total', { destination: 'two.test:8080', protocol: 'http2' }), 1);
  t.equal(metrics.sum('carpool_requests_total', { destination: 'one.test:8080', protocol: 'http1' }), 2);
});

t.test('curl gets from an origin of HTTP/1.1 what it asks for by HTTP/2', { skip: missing('curl') }, async (t) => {
  const origin = await http1Origin(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: origin.port, protocol: 'http1' }]);
  const http2 = [...SAY, '--http2-prior-knowledge', '--connect-to', `${NAME}:127.0.0.1:${sidecar.port}`];
  t.match(await debianTool('curl', [...http2, `http://${NAME}/`]), { code: 0, stdout: 'hello\n 2 200' });
  const upload = ['--data-binary', 'x'.repeat(100_000), `http://${NAME}/`];
  t.match(await debianTool('curl', [...http2, ...upload]), { code: 0, stdout: '100000 bytes\n 2 200' });
});
