import t from 'tap';
import { endpointAt, poolContext, TestRequest, testPool } from '../pool/pool-fixture.ts';
import { rawOrigin } from '../raw-origin.ts';
import { eventually } from '../relay/relay-fixture.ts';

const proxy = { url: 'http://proxy.test:3128', secure: () => null, credentials: () => null };

t.test(
  'a connect that was begun for whole URLs is of no use to a tunnel that waits, and the proxy hears CONNECT',
  async (t) => {
    const server = await rawOrigin(t);
    const context = poolContext(1);
    const pool = testPool(t, context);
    pool.add({ ...endpointAt(server.port), proxied: { host: 'api.test', port: 443, proxy } });
    pool.settle();
    const request = new TestRequest('/');
    const tunnel = new TestRequest('/', { tunnel: true });
    pool.acquire(request);
    pool.acquire(tunnel);
    pool.withdraw(request);
    await eventually(() => server.connections.some(({ received }) => received.startsWith('CONNECT api.test:443 ')));
    t.equal(tunnel.waiting, true, 'until the proxy has answered');
    server.connections.at(-1)?.write('HTTP/1.1 200 OK\r\n\r\n');
    await eventually(() => tunnel.tunnelSocket !== null);
    tunnel.tunnelClosed?.();
  },
);
