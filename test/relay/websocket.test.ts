import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import t from 'tap';
import type { WebSocket } from 'ws';
import { eventually } from './relay-fixture.ts';
import { startWebSockets, WAYS } from './websocket-fixture.ts';

const MIB = 1024 * 1024;

async function message(socket: WebSocket): Promise<{ data: Buffer; binary: boolean }> {
  const [data, binary] = await once(socket, 'message');
  if (!Buffer.isBuffer(data)) throw new Error('a message that is no buffer');
  return { data, binary: binary === true };
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

for (const way of WAYS) {
  t.test(`WebSocket by ${way}: text and binary pass both ways, on a connection of its own`, async (t) => {
    const { sidecar, connections, pair } = await startWebSockets(t, way);
    const { client, peer } = await pair();
    t.equal(client.protocol, '');
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      for (const text of ['', 'hello', 'grüße ✓', 'x'.repeat(70_000)]) {
        const next = message(to);
        from.send(text);
        const { data, binary } = await next;
        t.same([data.toString() === text, binary], [true, false]);
      }
      for (const size of [0, 1, 125, 126, 65_535, 65_536]) {
        const bytes = randomBytes(size);
        const next = message(to);
        from.send(bytes);
        const { data, binary } = await next;
        t.same([data.equals(bytes), binary], [true, true], `${size} bytes`);
      }
    }
    t.equal(sidecar.app.process().tunnels, 1);
    const second = await pair();
    second.client.send('second');
    t.equal((await message(second.peer)).data.toString(), 'second');
    t.equal(connections.length, 2);
  });

  t.test(`WebSocket by ${way}: ping and pong pass`, async (t) => {
    const { pair } = await startWebSockets(t, way);
    const { client, peer } = await pair();
    const pong = once(client, 'pong');
    client.ping('are you there');
    t.equal(String((await pong)[0]), 'are you there');
    const answer = once(peer, 'pong');
    peer.ping('and you');
    t.equal(String((await answer)[0]), 'and you');
  });

  t.test(`WebSocket by ${way}: big messages wait for a slow reader, and arrive whole`, async (t) => {
    const { pair, sidecar } = await startWebSockets(t, way, { maxPayload: 64 * MIB });
    const { client, peer } = await pair({ maxPayload: 64 * MIB, perMessageDeflate: false });
    const bytes = randomBytes(24 * MIB);
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      to.pause();
      from.send(bytes);
      // The kernels on the way take some MiB; the rest stays with who sends it.
      let before = -1;
      while (before !== from.bufferedAmount) {
        before = from.bufferedAmount;
        for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      t.ok(from.bufferedAmount > 4 * MIB, `${from.bufferedAmount} bytes are held back`);
      t.ok(sidecar.app.process().bufferedBytes < MIB, 'and not by the sidecar');
      const next = message(to);
      to.resume();
      t.equal(digest((await next).data), digest(bytes));
    }
  });

  t.test(`WebSocket by ${way}: the close handshake passes, begun by either side`, async (t) => {
    const { pair, sidecar } = await startWebSockets(t, way);
    for (const first of ['client', 'peer'] as const) {
      const both = await pair();
      const ends = Promise.all([once(both.client, 'close'), once(both.peer, 'close')]);
      both[first].close(4001, 'enough');
      const [atClient, atPeer] = await ends;
      t.same([atClient[0], String(atClient[1])], [4001, 'enough'], `begun by the ${first}`);
      t.same([atPeer[0], String(atPeer[1])], [4001, 'enough']);
      await eventually(() => sidecar.app.process().tunnels === 0);
    }
    t.equal(sidecar.app.process().upstreamConnections, 0);
  });

  t.test(`WebSocket by ${way}: who is cut off is seen by the other side`, async (t) => {
    const { pair, sidecar } = await startWebSockets(t, way);
    for (const first of ['client', 'peer'] as const) {
      const both = await pair();
      const seen = once(first === 'client' ? both.peer : both.client, 'close');
      both[first].terminate();
      t.equal((await seen)[0], 1006);
      await eventually(() => sidecar.app.process().tunnels === 0);
    }
  });

  t.test(`WebSocket by ${way}: permessage-deflate and subprotocols are agreed on end to end`, async (t) => {
    const { pair } = await startWebSockets(t, way, {
      perMessageDeflate: { threshold: 0 },
      handleProtocols: () => 'v2.chat',
    });
    const { client, peer } = await pair({ perMessageDeflate: { threshold: 0 } });
    t.match(client.extensions, 'permessage-deflate');
    const text = 'again and again '.repeat(10_000);
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      const next = message(to);
      from.send(text);
      t.ok((await next).data.toString() === text);
    }
  });

  t.test(`WebSocket by ${way}: an upgrade that the server refuses is a plain answer`, async (t) => {
    const { open, sidecar, connections } = await startWebSockets(t, way, {
      verifyClient: (_info, answer) => answer(false, 403, 'not you'),
    });
    for (let round = 1; round <= 3; round++) {
      const refused = once(open(), 'unexpected-response');
      const [, response] = await refused;
      if (!(response instanceof http.IncomingMessage)) throw new Error('no response');
      response.resume();
      await once(response, 'end');
      t.equal(response.statusCode, 403);
    }
    t.equal(sidecar.app.process().tunnels, 0);
    t.ok(connections.length <= 3);
  });
}
