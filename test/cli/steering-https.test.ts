import t, { type Test } from 'tap';
import { until } from '../pool/origins.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';

const CALLED = 'https://api.test:443';

/** A sidecar whose app calls `https://api.test/`, with an entry of this name. */
async function setup(t: Test, name: string | null) {
  const origin = await rawOrigin(t);
  const entry = { match: 'api.test:443', endpoints: [`127.0.0.1:${origin.port}`] };
  const { app, port } = await startSidecar(t, { destinations: [name === null ? entry : { ...entry, name }] });
  const called = () => app.destinations().find((each) => each.name === CALLED);
  const ask = async () => {
    const client = await rawClient(t, port);
    client.write('GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n');
    await until(() => called()?.pending === 1);
  };
  return { origin, steering: app.steering, called, ask };
}

for (const [by, name] of [
  ['api.test:443', null],
  ['api.test:443', 'api'],
  ['api', 'api'],
] as const)
  t.test(
    `what is held as ${by}, its entry ${name ?? 'without a name'}, is held for https:// too, before its first request`,
    async (t) => {
      const { origin, steering, called, ask } = await setup(t, name);
      t.equal(steering.pause(by), true);
      await ask();
      t.equal(called()?.paused, true);
      t.equal(origin.connections.length, 0);
      t.equal(steering.resume(by), true);
      await until(() => origin.connections.length === 1);
      t.equal(called()?.paused, false);
      t.equal(steering.resume(by), false);
    },
  );

t.test('what was called by https:// already is held by host and port, though its entry has a name', async (t) => {
  const { steering, called, ask } = await setup(t, 'api');
  await ask();
  t.equal(steering.pause('api.test:443'), true);
  t.equal(called()?.paused, true);
  t.equal(steering.resume('api.test:443'), true);
  t.equal(called()?.paused, false);
});
