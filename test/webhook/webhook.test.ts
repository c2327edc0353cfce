import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import t from 'tap';
import { reviewOf } from './reviews.ts';
import { ask, askByHttp2, DAY, dial, makeWebhook, refuseCertificate, settled } from './webhook-fixture.ts';

const QUESTION = JSON.stringify(reviewOf());
const SETTINGS = 'image: carpool:1.2.3\n';

t.test('it is ready when it has settings and a certificate, and says what is missing', async (t) => {
  const { webhook, clock, issue, configure, status } = await makeWebhook(t);
  const { operatorPort } = await webhook.start();
  t.equal(await status('/livez', operatorPort), '200 ok');
  t.equal(await status('/readyz', operatorPort), '503 there are no settings');
  configure(SETTINGS);
  clock.advance(5_000);
  await settled();
  t.equal(await status('/readyz', operatorPort), '503 there is no certificate');
  await issue(DAY);
  clock.advance(5_000);
  t.equal(await status('/readyz', operatorPort), '200 ok');
  clock.jumpWall(DAY);
  t.equal(await status('/readyz', operatorPort), '503 the certificate has expired');
  t.match(await status('/', operatorPort), /^404/);
});

t.test('questions are answered by HTTP/1.1 and HTTP/2', async (t) => {
  const { webhook, issue, configure } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  const first = await ask(port, ca, QUESTION);
  t.equal(first.status, 200);
  t.match(JSON.parse(first.body), { response: { allowed: true, patchType: 'JSONPatch' } });
  t.equal(await askByHttp2(port, ca, QUESTION), first.body);
});

t.test('what is no question gets a status and a reason, and the connection survives it', async (t) => {
  const { webhook, issue, configure, status } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  t.match(await ask(port, ca, '{}', { agent }), { status: 400, body: /kind/ });
  t.match(await ask(port, ca, QUESTION, { agent, type: 'text/plain' }), { status: 400, body: /content type/ });
  t.match(await ask(port, ca, '', { agent, method: 'GET' }), { status: 405 });
  t.match(await ask(port, ca, QUESTION, { agent, path: '/' }), { status: 404, headers: { connection: 'keep-alive' } });
  t.match(await ask(port, ca, QUESTION, { agent }), { status: 200 });
  t.match(await status('/metrics', operatorPort), /requests_total\{outcome="refused"\} 4\n/);
});

t.test('a pod that is skipped is told of in the log, with its owner and the reason in words', async (t) => {
  const { webhook, issue, configure, log } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  const podWith = (wish: string): string =>
    JSON.stringify(
      reviewOf({
        object: {
          metadata: {
            generateName: 'web-5d8-',
            ownerReferences: [
              { kind: 'Other', name: 'x' },
              { kind: 'ReplicaSet', name: 'web-5d8', controller: true },
            ],
            annotations: { 'carpool.dev/inject': wish, 'app.example/secret': 'hidden' },
          },
          spec: { containers: [{ name: 'app' }] },
        },
      }),
    );
  const since = log.length;
  for (const wish of ['maybe', 'false', 'true']) t.match(await ask(port, ca, podWith(wish)), { status: 200 });
  const lines = log.slice(since).map((line) => JSON.parse(line));
  const [told, ...others] = lines.filter(({ level }) => level >= 40);
  t.match(told, {
    level: 40,
    namespace: 'shop',
    name: 'web-5d8-',
    owner: 'ReplicaSet/web-5d8',
    reason: 'invalid_annotation',
    warnings: [/carpool\.dev\/inject is "maybe": must be "true" or "false"/],
    msg: 'a pod starts without a sidecar, for it is skipped',
  });
  t.same(others, [], 'who has opted out knows');
  t.match(
    lines.find(({ reason }) => reason === 'opted_out'),
    { level: 20 },
  );
  t.notMatch(log.join(''), 'hidden');
});

t.test('a body over 3 MiB is refused, one just below it is read', async (t) => {
  const { webhook, issue, configure } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  const padded = (bytes: number): string => QUESTION + ' '.repeat(bytes - QUESTION.length);
  t.match(await ask(port, ca, padded(3 * 1024 * 1024)), { status: 200 });
  t.match(await ask(port, ca, padded(3 * 1024 * 1024 + 1)), { status: 400, body: /3 MiB/ });
  t.match(await ask(port, ca, padded(9 * 1024 * 1024)), { status: 400, body: /3 MiB/ }, 'it is read to its end');
});

t.test('a body that does not come is given up after ten seconds', async (t) => {
  const { webhook, clock, issue, configure } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  const socket = await dial(port, ca);
  const before = clock.waiting;
  socket.write('POST /inject HTTP/1.1\r\nHost: hook\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{');
  while (clock.waiting === before) await settled();
  clock.advance(10_000);
  const [answer] = await once(socket, 'data');
  t.match(String(answer), /^HTTP\/1\.1 408 .*connection: close/is);
});

t.test('a new certificate is for new connections, and costs none that is open', async (t) => {
  const { webhook, clock, issue, configure, status } = await makeWebhook(t);
  const old = await issue();
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  t.match(await ask(port, old, QUESTION, { agent }), { status: 200 });
  const now = await issue(30 * DAY);
  clock.advance(5_000);
  t.match(await ask(port, now, QUESTION), { status: 200 }, 'a new one');
  await t.rejects(
    ask(port, old, QUESTION),
    { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    'the old CA is of no use any more',
  );
  t.match(await ask(port, old, QUESTION, { agent }), { status: 200 }, 'the old connection');
  const expiry = Math.floor((clock.wall() + 30 * DAY) / 1000) - 5;
  t.match(await status('/metrics', operatorPort), `certificate_expiry_timestamp_seconds ${expiry}\n`);
});

t.test('a broken certificate is told once, and the good one stays', async (t) => {
  const { webhook, clock, issue, configure, directory, log } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  writeFileSync(`${directory}/tls.key`, 'no key');
  clock.advance(60_000);
  t.equal(log.filter((line) => line.includes('tls.key holds no key')).length, 1);
  t.match(await ask(port, ca, QUESTION), { status: 200 });
  await issue();
  clock.advance(5_000);
  t.equal(log.filter((line) => line.includes('is mended')).length, 1);
});

t.test('a certificate that has expired before the start is not served', async (t) => {
  const { webhook, clock, issue, configure, log, status } = await makeWebhook(t);
  await issue(DAY);
  clock.jumpWall(2 * DAY);
  configure(SETTINGS);
  const { operatorPort } = await webhook.start();
  t.equal(await status('/readyz', operatorPort), '503 there is no certificate');
  t.ok(log.some((line) => line.includes('the certificate expired at')));
});

t.test('settings that change are used, and those that are wrong are refused whole', async (t) => {
  const { webhook, clock, issue, configure, log, status } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  const image = async (): Promise<string> => {
    const { body } = await ask(port, ca, QUESTION);
    const patch = Buffer.from(JSON.parse(body).response.patch, 'base64').toString();
    return /"image":"(carpool[^"]*)"/.exec(patch)?.[1] ?? '';
  };
  const change = async (text: string): Promise<string> => {
    const told = (): number => log.filter((line) => line.includes('settings of injection')).length;
    const before = told();
    configure(text);
    clock.advance(5_000);
    while (told() === before) await settled();
    return image();
  };
  t.equal(await image(), 'carpool:1.2.3');
  t.equal(await change('image: carpool:2\n'), 'carpool:2');
  t.equal(await change('image: carpool:3\nnonsense: 1\n'), 'carpool:2');
  t.equal(await change('image: [\n'), 'carpool:2');
  t.ok(log.some((line) => line.includes('injection.yaml: nonsense')));
  t.equal(await status('/readyz', operatorPort), '200 ok');
  t.match(await status('/metrics', operatorPort), /reloads_total\{outcome="refused"\} 2\n/);
  t.equal(await change('image: carpool:4\n'), 'carpool:4');
});

t.test('a fault of injection lets the pod start, and is in the log without the pod', async (t) => {
  const inject = (): never => {
    throw new Error('a fault');
  };
  const { webhook, issue, configure, log, status } = await makeWebhook(t, { inject });
  const ca = await issue();
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  const { body } = await ask(port, ca, QUESTION);
  t.match(JSON.parse(body), { response: { allowed: true, warnings: [/without a sidecar/] } });
  t.match(await status('/metrics', operatorPort), /requests_total\{outcome="failed"\} 1\n/);
  t.ok(log.some((line) => line.includes('a pod starts without a sidecar') && line.includes('a fault')));
  t.notOk(log.some((line) => line.includes('app:1')));
});

t.test('a client that does not trust the certificate makes it look again, and not too often', async (t) => {
  const { webhook, clock, issue, configure, log, directory } = await makeWebhook(t);
  await issue();
  configure(SETTINGS);
  const { port } = await webhook.start();
  writeFileSync(`${directory}/tls.key`, 'no key');
  const looked = (): number => log.filter((line) => line.includes('does not trust')).length;
  const refuse = (): Promise<void> => refuseCertificate(port);
  await refuse();
  while (looked() === 0) await settled();
  t.ok(
    log.some((line) => line.includes('tls.key holds no key')),
    'it has looked',
  );
  await refuse();
  await settled();
  t.equal(looked(), 1);
  clock.advance(5_000);
  await refuse();
  while (looked() === 1) await settled();
});

t.test('when it is told to stop it is not ready at once, serves on, and ends within ten seconds', async (t) => {
  const { webhook, clock, issue, configure, status } = await makeWebhook(t);
  const ca = await issue();
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const before = await ask(port, ca, QUESTION, { agent });
  t.not(before.headers.connection, 'close');
  const idle = await dial(port, ca);
  const slow = await dial(port, ca);
  slow.write(
    `POST /inject HTTP/1.1\r\nHost: hook\r\nContent-Type: application/json\r\nContent-Length: ${QUESTION.length}\r\n\r\n{`,
  );
  await settled();
  const stopped = webhook.stop();
  t.equal(await status('/readyz', operatorPort), '503 it is stopping');
  t.equal((await ask(port, ca, QUESTION, { agent })).headers.connection, 'close', 'the last on this connection');
  clock.advance(2_900);
  await settled();
  t.match(await ask(port, ca, QUESTION), { status: 200 }, 'new connections are taken for three seconds more');
  const answer = once(slow, 'data');
  const gone = once(idle, 'close');
  clock.advance(100);
  await settled();
  slow.write(QUESTION.slice(1));
  t.match(String((await answer)[0]), /^HTTP\/1\.1 200 /, 'what has come is answered');
  clock.advance(5_000);
  await gone;
  await stopped;
  await t.rejects(ask(port, ca, QUESTION), { code: 'ECONNREFUSED' });
});

t.test('a certificate whose chain is cut off is not served, and is once it is whole', async (t) => {
  const { webhook, clock, directory, issue, configure, status, log } = await makeWebhook(t);
  const ca = await issue();
  const file = join(directory, 'tls.crt');
  const leaf = readFileSync(file, 'utf8');
  writeFileSync(file, leaf + ca.slice(0, ca.length / 2));
  configure(SETTINGS);
  const { port, operatorPort } = await webhook.start();
  t.equal(await status('/readyz', operatorPort), '503 there is no certificate');
  t.match(log.join(''), 'TLS does not take tls.crt and tls.key');
  t.notMatch(log.join(''), /BEGIN|PRIVATE/, 'nothing of the files is in the log');
  writeFileSync(file, leaf + ca);
  clock.advance(5_000);
  t.equal((await ask(port, ca, QUESTION)).status, 200);
});
