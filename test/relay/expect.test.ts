import t from 'tap';
import { checkError, startRelay, useOnce } from './relay-fixture.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const EXPECT = 'Expect: 100-continue\r\nContent-Length: 4\r\n';

t.test('rule 9: Expect: 100-continue is passed on, and the upstream’s 100 relayed', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('POST', '/', EXPECT));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.match(upstream.received, '\r\nExpect: 100-continue\r\n');
  t.equal(client.received, '', 'carpool does not answer for the upstream');
  upstream.write(CONTINUE);
  await client.untilReceived(CONTINUE);
  client.write('body');
  await upstream.untilReceived('body');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(client.received, CONTINUE + OK, 'the connection stays open');
  t.equal(relay.stats().idle, 1);
});

t.test('rule 9: a final answer in place of 100 closes the connection, for the body may come or not', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('POST', '/', EXPECT));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  await client.until(({ ended }) => ended);
  t.equal(client.received, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nconnection: close\r\n\r\nno');
  await upstream.until(({ ended }) => ended);
  t.equal(relay.stats().active + relay.stats().idle, 0, 'the upstream waits for a body that will not come');
});

t.test('rule 9: an app that sent its body without waiting for 100 keeps its connection', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('POST', '/', EXPECT)}body`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('body');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(client.received, OK);
  client.write(relay.head('GET', '/next'));
  await upstream.untilReceived('GET /next ');
});

t.test('rule 9: any other expectation is 417', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('POST', '/', 'Expect: the-best\r\nContent-Length: 4\r\n'));
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 417, code: 'EXPECTATION_FAILED', error: 'http_request_error', close: true });
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 9: HTTP/1.0 knows no expectation: it is not passed on, and no 100 comes back', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`POST http://${relay.target}/ HTTP/1.0\r\nConnection: keep-alive\r\n${EXPECT}\r\nbody`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('body');
  t.notMatch(upstream.received, /expect/i);
  upstream.write(`${CONTINUE}HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`);
  await client.untilReceived('ok');
  t.equal(client.received, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: keep-alive\r\n\r\nok');
});

t.test('interim responses are relayed, hop by hop fields removed, before the final one', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n');
  await client.untilReceived('\r\n\r\n');
  t.equal(client.received, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
  upstream.write(`HTTP/1.1 102 Processing\r\n\r\n${OK}`);
  await client.untilReceived('ok');
  t.ok(client.received.endsWith(`HTTP/1.1 102 Processing\r\n\r\n${OK}`));
  t.equal(relay.stats().idle, 1);
});

t.test('rule 14: 32 interim responses pass, the 33rd is a fault of the upstream', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n';
  client.write(relay.head('GET', '/32'));
  await upstream.untilReceived('GET /32 ');
  upstream.write(interim.repeat(32) + OK);
  await client.untilReceived('ok');
  t.equal(client.received.split('103 Early').length - 1, 32);
  const before = client.received.length;
  client.write(relay.head('POST', '/33', 'Content-Length: 0\r\n'));
  await upstream.untilReceived('POST /33 ');
  upstream.write(interim.repeat(33) + OK);
  await client.untilReceived('UPSTREAM_PROTOCOL');
  const answer = client.received.slice(before + 32 * interim.length);
  checkError(t, answer, { status: 502, code: 'UPSTREAM_PROTOCOL', error: 'http_protocol_error', close: false });
  await upstream.until(({ ended }) => ended);
});
