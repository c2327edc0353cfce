import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import { ByteSocket } from '../../src/transport/byte-socket.ts';

const IGNORES = { onBytes: () => {}, onEnd: () => {}, onDrain: () => {} };

/** A server, and what its next connection ends with: an errno, or null for a FIN. */
async function peer(t: Test) {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const ended = new Promise<string | null>((resolve) =>
    server.on('connection', (socket) => {
      let errno: string | null = null;
      socket.on('error', (error: NodeJS.ErrnoException) => {
        errno = error.code ?? '';
      });
      socket.on('close', () => resolve(errno));
      socket.resume();
    }),
  );
  return { port: typeof address === 'object' && address !== null ? address.port : 0, ended };
}

for (const finFirst of [false, true]) {
  t.test(
    `a reset closes the socket${finFirst ? ', also right behind a FIN, where Node can reset no more' : ''}`,
    async (t) => {
      const { port, ended } = await peer(t);
      let error: NodeJS.ErrnoException | null = null;
      await new Promise<void>((resolve) => {
        const handler = {
          ...IGNORES,
          onClose: (cause: NodeJS.ErrnoException | null) => {
            error = cause;
            resolve();
          },
        };
        const socket = ByteSocket.connect({ address: '127.0.0.1', port, keepAliveMs: 0 }, handler, () => {
          if (finFirst) socket.end();
          socket.reset();
        });
      });
      t.equal(error, null);
      t.equal(await ended, finFirst ? null : 'ECONNRESET');
    },
  );
}
