import t, { type Test } from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { isWhole } from '../relay/tls-fixture.ts';
import { answerOf } from '../status/findings-fixture.ts';
import { carpool, childConfig, untilReady } from './child.ts';

t.jobs = 2;

/**
 * What is wrong, and what to do about it, by one command: an exhausted pool, a flapping endpoint and a wrong proxy variable,
 * each made on the shipped sidecar and read with the shipped commands.
 */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const ORDERS = 'orders.shop:8080';
const get = (name: string): string => `GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\n\r\n`;

/** A sidecar of its own process, and its commands. */
async function running(t: Test, settings: Record<string, unknown>) {
  const { file } = childConfig(t, {
    ...settings,
    discovery: { kubernetes: { enabled: false }, dns: { resolvConf: '/dev/null' } },
  });
  const child = carpool(t, ['run', '--config', file]);
  const { port, operatorPort } = await untilReady(child);
  const url = `http://127.0.0.1:${operatorPort}`;
  return {
    port,
    url,
    proxyUrl: `http://127.0.0.1:${port}`,
    /** Resolves when `/status` has a finding of this code; fails by the test's own time-out. */
    async untilFound(code: string): Promise<void> {
      for (;;) {
        const response = await fetch(`${url}/status?history=none`);
        const { findings } = JSON.parse(await response.text());
        if (findings.some((finding: { code: string }) => finding.code === code)) return;
      }
    },
    /** All that a command prints, and how it ended. */
    async command(command: string): Promise<{ code: number | null; text: string }> {
      const own = command === 'doctor' ? ['--config', file, '--port', String(port)] : [];
      const shown = carpool(t, [command, ...own, '--url', url]);
      const { code } = await shown.ended;
      return { code, text: `${shown.out.text}\n${shown.err.text}` };
    },
  };
}

t.test('an exhausted pool: `pools`, `errors` and `doctor` name the limit to set', async (t) => {
  const sidecar = await running(t, {
    destinations: [
      {
        match: ORDERS,
        endpoints: [`127.0.0.1:${(await rawOrigin(t)).port}`],
        pool: { maxConnections: 2, acquireTimeout: '1s' },
      },
    ],
  });
  const clients = await Promise.all(Array.from({ length: 12 }, () => rawClient(t, sidecar.port)));
  for (const client of clients) client.write(get(ORDERS));
  await sidecar.untilFound('pool_exhausted');
  for (const command of ['pools', 'errors', 'doctor']) {
    const { text } = await sidecar.command(command);
    t.match(text, /The pool is exhausted: 2 of 2 connections in use, \d+ requests (waiting|refused)/, command);
    t.match(text, /→ .*Set pool\.maxConnections to \d+ \(it is 2\)/, command);
    t.match(text, /^ +- match: "orders\.shop:8080"\n +pool: { maxConnections: \d+ }$/m, command);
  }
});

t.test('a flapping endpoint: `endpoints`, `pools` and `doctor` name it and its readiness probe', async (t) => {
  let broken = false;
  const [good, bad] = await Promise.all([
    rawOrigin(t, ({ socket }) => socket.on('data', () => socket.write(OK))),
    rawOrigin(t, ({ socket }) =>
      socket.on('data', () => socket.write(broken ? OK.replace('200 OK', '503 Service Unavailable') : OK)),
    ),
  ]);
  const flapper = `127.0.0.1:${bad.port}`;
  const sidecar = await running(t, {
    destinations: [
      {
        match: ORDERS,
        endpoints: [`127.0.0.1:${good.port}`, flapper],
        balancer: 'round_robin',
        breaker: { failures: 1, recovery: '1s' },
      },
    ],
  });
  const client = await rawClient(t, sidecar.port);
  let answered = 0;
  const once = async (): Promise<void> => {
    answered++;
    client.write(get(ORDERS));
    await client.until(({ received }) => received.split('HTTP/1.1 ').length - 1 === answered);
  };
  const becomes = async (state: string): Promise<void> => {
    for (;;) {
      await once();
      const response = await fetch(`${sidecar.url}/status/endpoints?destination=${ORDERS}`);
      const { endpoints } = JSON.parse(await response.text());
      const found = endpoints.find(({ id }: { id: string }) => id === flapper);
      if (found?.state === state) return;
    }
  };
  for (let time = 0; time < 3; time++) {
    broken = true;
    await becomes('ejected');
    broken = false;
    await becomes('ready');
  }
  await sidecar.untilFound('endpoint_flapping');
  for (const command of ['endpoints', 'pools', 'doctor']) {
    const { text } = await sidecar.command(command);
    t.ok(text.includes(`Endpoint ${flapper} is flapping: it went and came back 3 times in 10 minutes`), command);
    t.match(text, /→ .*readiness probe|→ .*log at those times/, command);
    t.match(text, `carpool events ${ORDERS}`, command);
    t.notMatch(text, 'kubectl', 'nothing here is a pod');
  }
});

t.test('a wrong proxy variable: `errors` and `doctor` say what it has to be', async (t) => {
  const sidecar = await running(t, {});
  const answer = await answerOf(t, sidecar.port, Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  t.ok(isWhole(answer) && answer.includes(`HTTPS_PROXY=${sidecar.proxyUrl}`), 'the app’s own error has it too');
  for (const command of ['errors', 'doctor']) {
    const { text } = await sidecar.command(command);
    t.match(text, /The app speaks TLS to the proxy: 1 connection began with a TLS handshake/, command);
    t.ok(text.includes(`Set HTTPS_PROXY to ${sidecar.proxyUrl}, with http://`), command);
    t.ok(text.includes(`HTTPS_PROXY=${sidecar.proxyUrl}\n`), command);
  }
  const { code } = await sidecar.command('doctor');
  t.equal(code, 1);
});

t.test('the operator port in HTTP_PROXY: the answer, `errors` and `doctor` have the right port', async (t) => {
  const sidecar = await running(t, {});
  const operatorPort = Number(new URL(sidecar.url).port);
  const answer = await answerOf(t, operatorPort, get('orders.shop'));
  t.match(answer, `HTTP_PROXY=${sidecar.proxyUrl}`);
  for (const command of ['errors', 'doctor']) {
    const { text } = await sidecar.command(command);
    t.match(text, 'The app sends its requests to the operator port: 1 request', command);
    t.ok(text.includes(`Set HTTP_PROXY and HTTPS_PROXY to ${sidecar.proxyUrl}.`), command);
  }
});
