import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { CANCEL } from '../../src/protocol/http2/frame-types.ts';
import { answeringOrigin, appClient, ok, statsOf, TARGET, toOrigins, until } from '../pool/origins.ts';
import { startSidecar } from '../sidecar.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** Retries among what else goes on: reloads, pauses, uploads that are not over. */

const RETRY = { attempts: 3, backoffBase: '1s', statusCodes: [503], unsafeStatuses: [429] };
const UNAVAILABLE = 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n';
const INITIAL_WINDOW_SIZE = 4;

for (const [sentence, late] of [
  ['DATA on it', 'data'],
  ['a GOAWAY that takes it back', 'goaway'],
] as const) {
  t.test(
    `of a stream whose answer was given up during its upload nothing matters to the next try: ${sentence}`,
    async (t) => {
      const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 10]], { retry: RETRY });
      await upstream.next(t);
      const asked = await upstream.ask('POST', '/up', 'Content-Length: 100\r\n', 'x'.repeat(100));
      const { connection, request } = await upstream.server.arrived('/up');
      await connection.until(() => request.body.length === 10);
      connection.headers(request.stream, [[':status', '429']], true);
      await connection.settled();
      upstream.clock.advance(1000);
      const again = await upstream.server.arrived('/up', 1);
      if (late === 'data') {
        connection.data(request.stream, 'late');
        await connection.settled();
      }
      // It takes back the next try too, which goes elsewhere then.
      else connection.sendGoaway(request.stream - 2, 0);
      const last = late === 'data' ? again : await upstream.server.arrived('/up', 2);
      last.connection.windowUpdate(last.request.stream, 100);
      await last.connection.until(() => last.request.ended);
      last.connection.answer(last.request.stream, 'done');
      t.match(await asked.answer(), { status: 200, body: 'done' });
      const all = upstream.server.connections.flatMap(({ requests }) => requests);
      t.equal(all.length, late === 'data' ? 3 : 4);
    },
  );
}

t.test('a reload that makes a destination anew leaves a request its next try', async (t) => {
  const origin = await answeringOrigin(t, () => (origin.requests.length === 1 ? UNAVAILABLE : ok('again')));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { name: 'one', retry: RETRY })] });
  const client = await appClient(t, sidecar);
  client.send('/a');
  await until(() => origin.requests.length === 1 && statsOf(sidecar).idle === 1);
  const settings = parse(readFileSync(sidecar.configFile, 'utf8'));
  settings.destinations = [toOrigins([origin], { name: 'two', retry: RETRY })];
  writeFileSync(sidecar.configFile, stringify(settings));
  t.equal((await sidecar.app.steering.reload()).applied, true);
  sidecar.clock.advance(1000);
  t.equal((await client.response()).body, 'again');
  t.equal(statsOf(sidecar).active, 0);
});

t.test('a try that comes due while its destination is paused waits for the end of the pause', async (t) => {
  const origin = await answeringOrigin(t, () => (origin.requests.length === 1 ? UNAVAILABLE : ok('again')));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { retry: RETRY })] });
  const client = await appClient(t, sidecar);
  client.send('/a');
  await until(() => origin.requests.length === 1 && statsOf(sidecar).idle === 1);
  sidecar.app.steering.pause(TARGET);
  sidecar.clock.advance(20_000);
  t.equal(statsOf(sidecar).pending, 1);
  t.equal(origin.requests.length, 1);
  sidecar.app.steering.resume(TARGET);
  t.equal((await client.response()).body, 'again');
});

t.test('rule 18: an app that leaves is noticed although the end of its upload had to wait', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 10]]);
  await upstream.next(t);
  const { client } = await upstream.ask('POST', '/slow', 'Content-Length: 100\r\n', 'x'.repeat(100));
  const { connection, request } = await upstream.server.arrived('/slow');
  connection.windowUpdate(request.stream, 100);
  await connection.until(() => request.ended);
  client.socket.resetAndDestroy();
  await until(() => request.reset !== null);
  t.equal(request.reset, CANCEL);
});

t.test('rule 18: so is one whose whole upload waits for a connection', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  sidecar.app.steering.pause(TARGET);
  const client = await appClient(t, sidecar);
  client.send('/large', 'POST', 'x'.repeat(64 * 1024));
  await until(() => statsOf(sidecar).pending === 1);
  await until(() => client.connection.socket.writableLength === 0);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  client.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 0);
  t.equal(origin.requests.length, 0);
});
