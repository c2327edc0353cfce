import t from 'tap';
import { type AppClient, answeringOrigin, appClient, ok, statsOf, toOrigins, until } from '../pool/origins.ts';
import { startSidecar } from '../sidecar.ts';

/** Requests each 5 ms of the sidecar's time: 200 a second, and the time after which an app gives up. */
const EVERY_MS = 5;
const PATIENCE_MS = 1000;
const REQUESTS = 2000;

for (const balancer of ['p2c', 'least_loaded']) {
  t.test(
    `rule 32: a process that accepts and never answers is starved within tens of requests (${balancer})`,
    async (t) => {
      const stopped = await answeringOrigin(t, () => null);
      const good = [await answeringOrigin(t), await answeringOrigin(t)];
      const sidecar = await startSidecar(t, { destinations: [toOrigins([...good, stopped], { balancer })] });
      let answered = 0;
      let gaveUp = 0;
      const free: AppClient[] = [];
      const hanging: { client: AppClient; since: number }[] = [];
      for (let index = 0; index < REQUESTS; index++) {
        const client = free.pop() ?? (await appClient(t, sidecar));
        const before = stopped.requests.length;
        client.send('/x');
        const response = client.response().then(
          () => true,
          () => false,
        );
        let outcome: boolean | null = null;
        response.then((value) => {
          outcome = value;
        });
        await until(() => outcome !== null || stopped.requests.length > before);
        if (outcome === true) {
          answered++;
          free.push(client);
        } else hanging.push({ client, since: sidecar.clock.now() });
        sidecar.clock.advance(EVERY_MS);
        while (hanging[0] !== undefined && sidecar.clock.now() - hanging[0].since >= PATIENCE_MS) {
          const active = statsOf(sidecar).active;
          hanging.shift()?.client.connection.socket.resetAndDestroy();
          gaveUp++;
          await until(() => statsOf(sidecar).active < active);
        }
      }
      t.ok(stopped.requests.length <= 30, `${stopped.requests.length} of ${REQUESTS} went to the stopped endpoint`);
      t.equal(answered + stopped.requests.length, REQUESTS);
      t.ok(gaveUp > 0);
    },
  );
}

for (const balancer of ['p2c', 'round_robin', 'least_loaded']) {
  t.test(`rule 32: a pod that resets in mid-response is taken out within tens of requests (${balancer})`, async (t) => {
    const resetting = await answeringOrigin(t, ({ connection }) => {
      connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () =>
        connection.socket.resetAndDestroy(),
      );
      return null;
    });
    const good = [await answeringOrigin(t, () => ok('good')), await answeringOrigin(t, () => ok('good'))];
    const sidecar = await startSidecar(t, { destinations: [toOrigins([...good, resetting], { balancer })] });
    let client = await appClient(t, sidecar);
    let failures = 0;
    let answered = 0;
    for (let index = 0; index < REQUESTS; index++) {
      try {
        if ((await client.get('/x')).body === 'good') answered++;
      } catch {
        failures++;
        client = await appClient(t, sidecar);
      }
      sidecar.clock.advance(EVERY_MS);
    }
    t.ok(failures <= 30, `${failures} failures of ${REQUESTS}`);
    t.ok(failures > 0);
    t.equal(answered + failures, REQUESTS);
  });
}
