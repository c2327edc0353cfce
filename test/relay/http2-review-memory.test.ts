import { once } from 'node:events';
import net from 'node:net';
import v8 from 'node:v8';
import vm from 'node:vm';
import t from 'tap';
import { LinkOutput } from '../../src/connection/link-output.ts';
import { type BufferAccount, LinkStream } from '../../src/connection/link-stream.ts';
import { FloodBudget } from '../../src/protocol/http2/flood-budget.ts';
import { ByteSocket } from '../../src/transport/byte-socket.ts';

v8.setFlagsFromString('--expose-gc');
const collect: () => void = vm.runInNewContext('gc');

const account: BufferAccount = {
  charge: () => {},
  release: () => {},
  promise: () => true,
  unpromise: () => {},
  constrained: false,
};

class Stream extends LinkStream {
  onData(): void {}
  onRemoteEnd(): void {}
  onWritable(): void {}
  onReset(): void {}
  onMalformed(): void {}
}

t.test(
  'streams that are gone leave the line of those that wait, though the connection’s window stays shut',
  async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const socket = await new Promise<ByteSocket>((resolve) => {
      const handler = { onBytes: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} };
      const dialled = ByteSocket.connect({ address: '127.0.0.1', port, keepAliveMs: 0 }, handler, () =>
        resolve(dialled),
      );
    });
    t.teardown(() => {
      socket.destroy();
      server.close();
    });
    const out = new LinkOutput(socket, account, new FloodBudget());
    out.window = 0;
    const body = Buffer.from('waits');
    const wait = (id: number): Stream => {
      const stream = new Stream(id, 65_535, 0);
      out.data(stream, body, 0, body.length);
      return stream;
    };
    const stays = wait(1);
    const gone: WeakRef<Stream>[] = [];
    for (let id = 3; id < 2003; id += 2) {
      const stream = wait(id);
      stream.closed = true;
      out.drop(stream);
      gone.push(new WeakRef(stream));
    }
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    t.ok(gone.filter((each) => each.deref() !== undefined).length < 100, 'few of them are held');
    t.ok(out.credit(null, 1000));
    t.equal(stays.queue, null, 'who stayed has sent');
    t.equal(out.window, 1000 - body.length);
  },
);
