import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import t, { type Test } from 'tap';
import { AdmissionServer } from '../../src/webhook/admission-server.ts';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import { decide } from '../../src/webhook/verdict.ts';
import { TestClock } from '../test-clock.ts';
import { reviewOf } from './reviews.ts';
import { ask, dial } from './webhook-fixture.ts';

/** A server that answers that it has no settings, and gives idle connections up soon. */
async function makeServer(t: Test): Promise<{ readonly port: number; readonly ca: string }> {
  const clock = new TestClock();
  const server = new AdmissionServer({
    host: '127.0.0.1',
    port: 0,
    idleTimeoutMs: 20,
    clock,
    decide: (review) => decide(review, null, (pod) => ({ outcome: 'unchanged', pod, reason: null, warnings: [] })),
    answered: () => {},
    refused: () => {},
    broken: () => {},
  });
  const { cert, key, ca } = await makeCertificates(['localhost'], Date.now(), 3_600_000);
  server.useCertificate(cert, key);
  t.teardown(() => server.stop(1_000));
  return { port: await server.start(), ca };
}

t.test('an idle connection is closed, whatever its protocol, and others are served on', async (t) => {
  const { port, ca } = await makeServer(t);
  const silent = await dial(port, ca);
  await once(silent, 'close');
  t.pass('HTTP/1.1, without a request');

  const asked = await dial(port, ca);
  const text = JSON.stringify(reviewOf());
  asked.write(
    `POST /inject HTTP/1.1\r\nHost: hook\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`,
  );
  asked.write(text);
  asked.resume();
  await once(asked, 'close');
  t.pass('HTTP/1.1, after an answer');

  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: 'localhost' });
  await once(session, 'close');
  t.pass('HTTP/2');
  t.equal((await ask(port, ca, text)).status, 200);
});
