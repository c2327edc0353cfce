import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startApp } from '../http2/apps.ts';
import { startOrigin } from '../http2/origins.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { reload, startSidecar } from '../sidecar.ts';
import { answering, heads, logOf, OK } from './egress-fixture.ts';

const HOST = 'api.test';

/** A sidecar whose destination `api.test`, any port, is a raw origin, with these headers. */
async function start(t: Test, headers: Record<string, unknown>, entry: Record<string, unknown> = {}) {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const sidecar = await startSidecar(t, {
    destinations: [{ match: HOST, endpoints: [`127.0.0.1:${origin.port}`], headers, ...entry }],
  });
  const url = `http://${HOST}:${origin.port}`;
  /** Sends a request of these lines and returns the head that the origin got, without its first line. */
  const send = async (...fields: string[]): Promise<string[]> => {
    const client = await rawClient(t, sidecar.port);
    const before = origin.connections.flatMap(heads).length;
    client.write(`${[`GET ${url}/ HTTP/1.1`, `Host: ${HOST}:${origin.port}`, ...fields].join('\r\n')}\r\n\r\n`);
    await client.untilReceived('ok');
    client.socket.destroy();
    const all = origin.connections.flatMap(heads);
    t.equal(all.length, before + 1);
    return all.at(-1)?.slice(2) ?? [];
  };
  return { origin, sidecar, url, send };
}

const fileWith = (t: Test, content: string): string => join(t.testdir({ key: content }), 'key');

t.test('a destination sets and removes fields of all its requests, and of no other destination', async (t) => {
  const { origin, sidecar, send } = await start(t, { set: { 'X-Team': 'shop', 'x-n': 7 }, remove: ['X-Debug'] });
  t.same(await send('x-team: mine', 'X-Debug: 1', 'X-Other: 2'), ['X-Other: 2', 'x-team: shop', 'x-n: 7']);
  const other = `127.0.0.1:${origin.port}`;
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://${other}/ HTTP/1.1\r\nHost: ${other}\r\nX-Debug: 1\r\n\r\n`);
  await client.untilReceived('ok');
  t.same(origin.connections.flatMap(heads).at(-1)?.slice(2), ['X-Debug: 1']);
});

t.test('they are set at a local port, and for requests inside of a CONNECT', async (t) => {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const sidecar = await startSidecar(t, {
    destinations: [
      {
        match: `${HOST}:8080`,
        localPort: 0,
        endpoints: [`127.0.0.1:${origin.port}`],
        headers: { set: { authorization: 'Bearer k' } },
      },
    ],
  });
  const local = await rawClient(t, sidecar.localPorts[0]?.port ?? 0);
  local.write('GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: app\r\n\r\n');
  await local.untilReceived('ok');
  const inside = await rawClient(t, sidecar.port);
  inside.write(`CONNECT ${HOST}:8080 HTTP/1.1\r\nHost: ${HOST}:8080\r\n\r\n`);
  await inside.untilReceived('established');
  inside.write(`GET /b HTTP/1.1\r\nHost: ${HOST}:8080\r\n\r\n`);
  await inside.untilReceived('ok');
  const seen = origin.connections.flatMap(heads);
  t.same(
    seen.map((lines) => lines.slice(2)),
    [['authorization: Bearer k'], ['authorization: Bearer k']],
  );
});

for (const app of ['http1', 'http2'] as const)
  for (const upstream of ['http1', 'http2'] as const)
    t.test(`from an app by ${app} to an upstream by ${upstream} it is the same`, async (t) => {
      const origin = await startOrigin(t, upstream, () => ({ body: 'ok' }));
      const sidecar = await startSidecar(t, {
        destinations: [
          {
            match: HOST,
            protocol: upstream,
            endpoints: [`127.0.0.1:${origin.port}`],
            headers: { set: { authorization: 'Bearer k', 'x-new': 'n' }, remove: ['x-debug'] },
          },
        ],
      });
      const headers = { authorization: 'app', 'x-debug': '1', 'x-stays': 's', cookie: ['a=1', 'b=2'] };
      const sent = { authority: `${HOST}:${origin.port}`, headers };
      const client = startApp(t, app, sidecar.port);
      for (let count = 0; count < 3; count++) t.equal((await client.send(sent)).status, 200);
      for (const request of origin.requests) {
        t.match(request.headers, { authorization: 'Bearer k', 'x-new': 'n', 'x-stays': 's', cookie: 'a=1; b=2' });
        t.equal(request.headers['x-debug'], undefined);
      }
      t.equal(origin.requests.length, 3);
    });

t.test('a request that is sent again has them too, and has them once', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (connection.index > 0) {
      answering(connection);
      return;
    }
    connection.socket.once('data', () => {
      connection.write(OK);
      connection.socket.once('data', () => connection.socket.resetAndDestroy());
    });
  });
  const entry = { match: HOST, endpoints: [`127.0.0.1:${origin.port}`] };
  const headers = { set: { authorization: 'Bearer k' }, remove: ['x-debug'] };
  const sidecar = await startSidecar(t, { destinations: [{ ...entry, headers }] });
  const client = await rawClient(t, sidecar.port);
  const head = `GET http://${HOST}:1/ HTTP/1.1\r\nHost: ${HOST}:1\r\nAuthorization: app\r\nX-Debug: 1\r\n\r\n`;
  client.write(head);
  await client.untilReceived('ok');
  client.write(head);
  await client.until(({ received }) => received === OK + OK);
  t.equal(origin.connections.length, 2, 'the second one was sent again');
  for (const lines of origin.connections.flatMap(heads)) t.same(lines.slice(2), ['authorization: Bearer k']);
});

t.test('a value comes from a file, behind its prefix, without its line end', async (t) => {
  const { send } = await start(t, { set: { authorization: { file: fileWith(t, 'sk-1\r\n'), prefix: 'Bearer ' } } });
  t.same(await send('Authorization: app'), ['authorization: Bearer sk-1']);
});

t.test('a file is followed, and looked at once a second at most', async (t) => {
  const file = fileWith(t, 'one');
  const { sidecar, send } = await start(t, { set: { 'x-key': { file } } });
  t.same(await send(), ['x-key: one']);
  writeFileSync(file, 'second');
  t.same(await send(), ['x-key: one'], 'the second is not over');
  sidecar.clock.advance(1000);
  t.same(await send(), ['x-key: second']);
  t.match(logOf(sidecar), /"event":"secret_file_changed","destination":"api\.test:\d+","file":"[^"]*key"/);
  writeFileSync(file, 'second\n');
  sidecar.clock.advance(1000);
  await send();
  t.equal(logOf(sidecar).match(/secret_file_changed/g)?.length, 1, 'the same value again is no news');
});

t.test('while a file is of no use, what was read before serves on, and that is told once', async (t) => {
  const file = fileWith(t, 'one');
  const { sidecar, send } = await start(t, { set: { 'x-key': { file } } });
  t.same(await send(), ['x-key: one']);
  for (const [content, why] of [
    ['', 'is empty'],
    ['a\r\nx-injected: 1', 'holds more than one line'],
    ['a\0b', 'holds more than one line, or a byte that no field may have'],
    ['x'.repeat(8193), 'holds more than 8192 bytes'],
  ] as const) {
    writeFileSync(file, content);
    for (let count = 0; count < 3; count++) {
      sidecar.clock.advance(1000);
      t.same(await send(), ['x-key: one'], why);
    }
    t.match(logOf(sidecar), why);
  }
  rmSync(file);
  sidecar.clock.advance(1000);
  t.same(await send(), ['x-key: one']);
  t.match(logOf(sidecar), 'cannot be read: ENOENT; what was read before serves on');
  t.equal(logOf(sidecar).match(/secret_file_refused/g)?.length, 5, 'each once');
  writeFileSync(file, 'two');
  sidecar.clock.advance(1000);
  t.same(await send(), ['x-key: two']);
});

t.test('without its file a field is left out, the app’s own of that name too, until the file is there', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'late');
  const { sidecar, send } = await start(t, { set: { authorization: { file }, 'x-team': 'shop' } });
  t.same(await send('Authorization: app'), ['x-team: shop']);
  t.match(logOf(sidecar), /"event":"secret_file_refused".*late cannot be read: ENOENT"/);
  writeFileSync(file, 'here');
  sidecar.clock.advance(1000);
  t.same(await send(), ['authorization: here', 'x-team: shop']);
});

t.test('a reload changes them at once; the same ones keep what their files held', async (t) => {
  const file = fileWith(t, 'one');
  const { origin, sidecar, send } = await start(t, { set: { 'x-key': { file } } });
  t.same(await send(), ['x-key: one']);
  rmSync(file);
  const entry = { match: HOST, endpoints: [`127.0.0.1:${origin.port}`] };
  await reload(sidecar, {
    destinations: [{ ...entry, headers: { set: { 'x-key': { file } } }, pool: { maxIdle: 9 } }],
  });
  sidecar.clock.advance(1000);
  t.same(await send(), ['x-key: one']);
  await reload(sidecar, { destinations: [{ ...entry, headers: { set: { 'x-other': 'sec-ret' } } }] });
  t.same(await send(), ['x-other: sec-ret']);
  await reload(sidecar, { destinations: [entry] });
  t.same(await send(), []);
  t.equal(origin.connections.length, 1, 'on the same connection');
});

t.test('no value is in the log, in what a reload says, or in /debug/config', async (t) => {
  const file = fileWith(t, 'file-secret');
  const { origin, sidecar, send } = await start(t, { set: { 'x-key': { file }, authorization: 'Bearer text-secret' } });
  await send();
  const entry = { match: HOST, endpoints: [`127.0.0.1:${origin.port}`] };
  const said = await reload(sidecar, {
    destinations: [{ ...entry, headers: { set: { authorization: 'Bearer other-secret' } } }],
  });
  await send();
  const shown = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/debug/config`)).text();
  const metrics = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`)).text();
  const all = `${said.join('\n')}\n${logOf(sidecar)}\n${shown}\n${metrics}`;
  t.notMatch(all, /(file|text|other)-secret/);
  t.match(said.join('\n'), /headers\.set/);
});

t.test('large values have room, with a large head too', async (t) => {
  const set = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`x-large-${index}`, 'v'.repeat(8000)]));
  const { send } = await start(t, { set });
  const got = await send(...Array.from({ length: 6 }, (_, index) => `X-App-${index}: ${'a'.repeat(8000)}`));
  t.equal(got.length, 18);
  t.ok(got.every((line) => line.length > 8000));
});

t.test('the answer is not changed', async (t) => {
  const { origin, sidecar, url } = await start(t, { set: { 'x-key': 'k' }, remove: ['x-answer'] });
  const client = await rawClient(t, sidecar.port);
  client.write(`GET ${url}/ HTTP/1.1\r\nHost: ${HOST}:${origin.port}\r\n\r\n`);
  await client.untilReceived('ok');
  t.equal(client.received, OK);
});
