import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import t from 'tap';
import { neverProxied } from '../../src/injection/no-proxy-names.ts';
import { freePort } from '../app/child.ts';
import { runCli } from '../cli/run-cli.ts';
import { checkError, ownAnswer, startRelay, useOnce } from '../relay/relay-fixture.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { answerOf, codesOf, findingOf, pass, statusOf } from './findings-fixture.ts';

/** The beginning of a ClientHello. */
const CLIENT_HELLO = Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]);

const urlOf = ({ port }: Sidecar): string => `http://127.0.0.1:${port}`;

/** The body of an error. */
function errorIn(received: string): { code: string; message: string; hint: string } {
  return JSON.parse(ownAnswer(received).body);
}

t.test('TLS spoken to the proxy gets a plain answer with the right HTTPS_PROXY, and is a finding', async (t) => {
  const sidecar = await startSidecar(t);
  const received = await answerOf(t, sidecar.port, CLIENT_HELLO);
  checkError(t, received, { status: 400, code: 'BAD_REQUEST', error: 'http_request_error' });
  t.match(errorIn(received).hint, `HTTPS_PROXY=${urlOf(sidecar)} in the app, with http://`);
  const finding = await findingOf(sidecar, 'proxy_spoken_tls');
  t.equal(finding.severity, 'error');
  t.match(finding.title, '1 connection began');
  t.match(finding.lines[0], `HTTPS_PROXY=${urlOf(sidecar)}`);
  const { errors } = await statusOf(sidecar);
  t.match(errors, [{ code: 'BAD_REQUEST', destination: '-', count: 1, status: 400, lastMessage: /TLS handshake/ }]);
});

t.test('TLS spoken to a local port is told to be in clear there', async (t) => {
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'api.test', localPort: 0, endpoints: ['127.0.0.1:9'] }],
  });
  const received = await answerOf(t, sidecar.localPorts[0]?.port ?? 0, CLIENT_HELLO);
  t.match(errorIn(received).hint, /local port of a destination: write http:\/\/ in the base URL/);
});

t.test('a SOCKS greeting gets the right variables, whichever version', async (t) => {
  const sidecar = await startSidecar(t);
  for (const [version, greeting] of [
    [5, [5, 1, 0]],
    [4, [4, 1, 0, 80, 127, 0, 0, 1, 0]],
  ] as const) {
    const error = errorIn(await answerOf(t, sidecar.port, Buffer.from(greeting)));
    t.match(error, { code: 'BAD_REQUEST', message: `SOCKS${version}`, hint: `HTTP_PROXY=${urlOf(sidecar)}` });
  }
  const finding = await findingOf(sidecar, 'proxy_spoken_socks');
  t.match(finding.title, '2 connections');
  t.match(finding.lines[0], `ALL_PROXY=${urlOf(sidecar)}`);
});

t.test('a base URL that points at the proxy is told, by path alone and by its own address', async (t) => {
  const sidecar = await startSidecar(t);
  const own = `127.0.0.1:${sidecar.port}`;
  const path = errorIn(await answerOf(t, sidecar.port, `GET /hidden HTTP/1.1\r\nHost: ${own}\r\n\r\n`));
  t.match(path, { code: 'BAD_REQUEST', hint: `HTTP_PROXY=${urlOf(sidecar)}` });
  const whole = errorIn(await answerOf(t, sidecar.port, `GET http://${own}/hidden HTTP/1.1\r\nHost: ${own}\r\n\r\n`));
  t.equal(whole.code, 'LOOP');
  const finding = await findingOf(sidecar, 'proxy_used_as_server');
  t.match(finding.title, '2 requests');
  t.match(finding.detail, `the last: ${own} is a listener of carpool itself`);
  t.notMatch(JSON.stringify(finding), '/hidden', 'no path of a request is shown');
});

t.test('a command of carpool that is led to the listener is told so, and is no fault of the app', async (t) => {
  const sidecar = await startSidecar(t, { operator: { port: await freePort() } });
  const { code, err } = await runCli(['pools', '--url', urlOf(sidecar)]);
  t.equal(code, 1);
  t.match(err, `this is the listener; the operator port is http://127.0.0.1:${sidecar.operatorPort}\n`);
  t.match(err, '--url');
  t.same(await codesOf(sidecar), []);
  await answerOf(t, sidecar.port, 'GET /status HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8\r\n\r\n');
  t.same(await codesOf(sidecar), ['proxy_used_as_server']);
});

t.test('a call to the app’s own pod through the proxy says that NO_PROXY lacks it', async (t) => {
  const sidecar = await startSidecar(t, { security: { allowAddresses: [] } });
  for (const host of ['localhost:3000', '127.0.0.1:3000']) {
    const error = errorIn(await answerOf(t, sidecar.port, `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    t.equal(error.code, 'DESTINATION_DENIED');
    // The app reads the same setting as who looks at the sidecar.
    t.match(error, { message: 'security.allowLoopback would allow it', hint: 'set security.allowLoopback: true.' });
    t.notMatch(error.hint, 'allowAddresses');
  }
  const finding = await findingOf(sidecar, 'no_proxy_lacks_host');
  t.match(finding.title, '2 requests refused');
  t.match(finding.remedies[1], 'set security.allowLoopback: true.');
  const list = neverProxied('').join(',');
  t.equal(finding.lines[0], `NO_PROXY=${list}\nno_proxy=${list}`, 'what `carpool doctor` wants there');
});

t.test('several wrong variables have one block of lines, under the first', async (t) => {
  const sidecar = await startSidecar(t);
  await answerOf(t, sidecar.port, CLIENT_HELLO);
  await answerOf(t, sidecar.port, Buffer.from([5, 1, 0]));
  const { findings } = await statusOf(sidecar);
  t.same(
    findings.map(({ code }) => code),
    ['proxy_spoken_tls', 'proxy_spoken_socks'],
  );
  const url = urlOf(sidecar);
  t.equal(
    findings[0]?.lines[0],
    `HTTP_PROXY=${url}\nHTTPS_PROXY=${url}\nNO_PROXY=${neverProxied('').join(',')}\nALL_PROXY=${url}`,
  );
  t.same(findings[1]?.lines, []);
});

t.test('what a name of DNS or another denied address leads to is nothing that NO_PROXY lacks', async (t) => {
  const sidecar = await startSidecar(t, { security: { allowAddresses: [] } });
  const host = '169.254.169.254';
  t.equal(
    errorIn(await answerOf(t, sidecar.port, `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).code,
    'DESTINATION_DENIED',
  );
  t.same(await codesOf(sidecar), []);
});

t.test('a request for a proxy at the operator port gets the right URL and is counted', async (t) => {
  const sidecar = await startSidecar(t);
  const received = await answerOf(
    t,
    sidecar.operatorPort,
    'GET http://orders.shop:8080/secret HTTP/1.1\r\nHost: orders.shop:8080\r\n\r\n',
  );
  t.equal(ownAnswer(received).status, 400);
  t.match(errorIn(received), { code: 'BAD_REQUEST', message: /no proxy/, hint: `HTTP_PROXY=${urlOf(sidecar)}` });
  const finding = await findingOf(sidecar, 'proxy_is_operator_port');
  t.match(finding.remedies[0], `Set HTTP_PROXY and HTTPS_PROXY to ${urlOf(sidecar)}.`);
  const metrics = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`)).text();
  t.match(metrics, /carpool_errors_total\{[^}]*BAD_REQUEST[^}]*\} 1/);
});

t.test('a POST in absolute form is told the same, and not that the port only shows', async (t) => {
  const sidecar = await startSidecar(t);
  const received = await answerOf(
    t,
    sidecar.operatorPort,
    'POST http://orders.shop/ HTTP/1.1\r\nHost: orders.shop\r\nContent-Length: 0\r\n\r\n',
  );
  t.equal(ownAnswer(received).status, 400);
});

t.test('what a CONNECT at the operator port is told says which URL is right', async (t) => {
  const sidecar = await startSidecar(t);
  const received = await answerOf(t, sidecar.operatorPort, 'CONNECT api:443 HTTP/1.1\r\nHost: api:443\r\n\r\n');
  t.match(errorIn(received), { code: 'BAD_REQUEST', hint: `HTTP_PROXY=${urlOf(sidecar)}` });
});

t.test('a CONNECT at the operator port gets 405 and the right URL, and the connection ends', async (t) => {
  const sidecar = await startSidecar(t);
  const outgoing = request({
    host: '127.0.0.1',
    port: sidecar.operatorPort,
    method: 'CONNECT',
    path: 'api.example.com:443',
  });
  outgoing.end();
  const [response, socket] = await new Promise<[IncomingMessage, Duplex]>((resolve) =>
    outgoing.on('connect', (answer, connection) => resolve([answer, connection])),
  );
  t.equal(response.statusCode, 405);
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  t.same(await codesOf(sidecar), ['proxy_is_operator_port']);
});

t.test('that the app has sent nothing for a minute is told, and no more with its first request', async (t) => {
  const relay = await startRelay(t);
  pass(relay, 59);
  t.same(await codesOf(relay), []);
  // What `carpool doctor` asks the listener is no request of the app.
  await answerOf(
    t,
    relay.port,
    `OPTIONS http://127.0.0.1:${relay.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${relay.port}\r\nMax-Forwards: 0\r\n\r\n`,
  );
  pass(relay, 61);
  const finding = await findingOf(relay, 'no_requests');
  t.equal(finding.severity, 'warning');
  t.match(finding.title, '2 minutes ago');
  t.match(finding.remedies[0], urlOf(relay));
  t.same(finding.lines.slice(1), ['carpool doctor --environ /proc/PID/environ'], 'no kubectl without Kubernetes');
  await useOnce(relay, await relay.client());
  t.same(await codesOf(relay), []);
});

t.test(
  'a wrong variable is told for ten minutes after its last request, in place of nothing having come',
  async (t) => {
    const sidecar = await startSidecar(t);
    await answerOf(t, sidecar.port, CLIENT_HELLO);
    pass(sidecar, 590);
    t.same(await codesOf(sidecar), ['proxy_spoken_tls']);
    pass(sidecar, 30);
    t.same(await codesOf(sidecar), []);
  },
);
