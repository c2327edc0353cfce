import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { until } from '../until.ts';
import { noChromium, open, textOf } from './chromium.ts';
import { Origin } from './origin.ts';
import { RealSidecar } from './real-sidecar.ts';

/** What a person has to find within a minute of opening the page, with one click at most. */

t.test('an exhausted pool is on the first screen, with the setting that helps', { skip: noChromium }, async (t) => {
  const origin = await Origin.start(t, 1500);
  const sidecar = await RealSidecar.start(t, {
    yaml: `destinations:
  - match: orders.test:8080
    endpoints: ["${origin.address}"]
    pool: { maxConnections: 2, acquireTimeout: 200ms }
    protocol: http1`,
  });
  const { page, complaints } = await open(t);
  await page.goto(sidecar.url);
  await page.getByRole('heading', { name: 'All is well' }).waitFor();
  const statuses = await Promise.all(Array.from({ length: 6 }, () => sidecar.get('orders.test:8080')));
  t.ok(statuses.includes(504), 'some waited in vain');

  const finding = page.locator('.finding[data-code=pool_exhausted]');
  await finding.waitFor();
  t.match(await textOf(finding.locator('summary')), /2 connections (were )?in use/);
  t.ok(await finding.getByText(/^Set pool\.maxConnections to \d+/).isVisible(), 'what to do is open already');
  const line = finding.locator('pre', { hasText: 'maxConnections:' });
  t.ok(await line.isVisible());
  t.match(await textOf(line), /orders\.test:8080[\s\S]*maxConnections: \d+/);
  const box = await finding.boundingBox();
  t.ok(box !== null && box.y + 40 < 900, 'without scrolling');

  await finding.getByRole('link', { name: 'Look at orders.test:8080' }).click();
  await page.getByRole('heading', { name: 'orders.test:8080', level: 2 }).waitFor();
  await page.getByRole('link', { name: /^Errors/ }).click();
  const error = page.locator('li[data-code=ACQUIRE_TIMEOUT]');
  await error.waitFor();
  t.match(await textOf(error), /answered 504/);
  t.same(complaints, []);
});

t.test('a flapping endpoint is named, with how often and what to look at', { skip: noChromium }, async (t) => {
  const steady = await Origin.start(t);
  const flapping = await Origin.start(t);
  const sidecar = await RealSidecar.start(t, {
    yaml: `destinations:
  - match: stock.shop:8080
    endpoints: ["${steady.address}", "${flapping.address}"]
    healthCheck: { enabled: true, kind: tcp, interval: 1s, timeout: 500ms, threshold: 1 }
    pool: { minConnections: 1 }`,
  });
  const { page, complaints } = await open(t);
  await page.goto(`${sidecar.url}#destination=stock.shop:8080`);
  await sidecar.get('stock.shop:8080');
  const row = page.locator('tr[data-row]', { hasText: flapping.address });
  const state = row.locator('td.state');
  for (let round = 0; round < 3; round++) {
    await state.getByText('ready').waitFor();
    await flapping.down();
    await state.getByText('failing').waitFor();
    await flapping.up();
  }
  await state.getByText('ready').waitFor();
  await page.getByRole('link', { name: 'All destinations' }).click();
  const finding = page.locator('.finding[data-code=endpoint_flapping]');
  await finding.waitFor();
  const title = await textOf(finding.locator('summary'));
  t.match(title, flapping.address);
  t.notMatch(title, steady.address);
  // A slow machine may miss a check more.
  t.match(title, /([3-9]|1\d) times in 10 minutes/);
  t.ok(
    await finding
      .getByText(/readiness probe/)
      .first()
      .isVisible(),
  );

  await finding.getByRole('link', { name: 'Look at stock.shop:8080' }).click();
  await row.waitFor();
  const changes = await textOf(row.locator('td.changes'));
  t.ok(Number(changes) >= 6, `${changes} changes of its state`);
  t.same(complaints, []);
});

t.test('a wrong proxy variable is named with the value that it has to have', { skip: noChromium }, async (t) => {
  const sidecar = await RealSidecar.start(t);
  const { page, complaints } = await open(t);
  await page.goto(sidecar.url);
  await page.getByRole('heading', { name: 'All is well' }).waitFor();

  // HTTPS_PROXY=https://127.0.0.1:… : a client that opens TLS to the proxy itself.
  const socket = connect(sidecar.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.end(Buffer.from('16030100050100000100', 'hex'));
  await once(socket, 'close');
  const spoken = page.locator('.finding[data-code=proxy_spoken_tls]');
  await spoken.waitFor();
  t.ok(await spoken.locator('pre', { hasText: `HTTPS_PROXY=http://127.0.0.1:${sidecar.port}` }).isVisible());

  // HTTP_PROXY with the operator port.
  const wrong = connect(sidecar.operatorPort, '127.0.0.1');
  wrong.on('error', () => {});
  wrong.end('GET http://orders.shop:8080/ HTTP/1.1\r\nhost: orders.shop:8080\r\nconnection: close\r\n\r\n');
  wrong.resume();
  await once(wrong, 'close');
  const port = page.locator('.finding[data-code=proxy_is_operator_port]');
  await port.waitFor();
  t.ok(await port.getByText(`Set HTTP_PROXY and HTTPS_PROXY to http://127.0.0.1:${sidecar.port}.`).isVisible());
  t.same(complaints, []);
});

t.test('the page lives: what happens is on it without a reload', { skip: noChromium }, async (t) => {
  const origin = await Origin.start(t);
  const sidecar = await RealSidecar.start(t, {
    yaml: `destinations:
  - match: live.test:8080
    endpoints: ["${origin.address}"]`,
  });
  const { page, complaints } = await open(t);
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  t.equal(await page.locator('th.name a', { hasText: 'live.test:8080' }).count(), 0);
  for (let sent = 0; sent < 20; sent++) await sidecar.get('live.test:8080');
  const row = page.locator('tr[data-row]', { hasText: 'live.test:8080' });
  await row.waitFor();
  await until('its rate', async () => (await textOf(row.locator('td.requests'))) !== '0');
  await page.getByRole('link', { name: /^Events/ }).click();
  await page.getByText('live.test:8080 was called for the first time').waitFor();
  t.same(complaints, []);
});

t.test('the page says that the sidecar has gone, and lives again when it is back', { skip: noChromium }, async (t) => {
  const first = await RealSidecar.start(t);
  const { page } = await open(t);
  await page.goto(first.url);
  await page.locator('.fresh.live').waitFor();
  await first.kill();
  await page.locator('.fresh.gone').waitFor();
  t.match(await textOf(page.locator('.fresh')), /No answer for/);
  await until('the announcement', async () => (await textOf(page.getByRole('status'))).includes('does not answer'));
  t.match(await page.title(), /^\(gone\)/);
  await page.getByRole('heading', { name: /^No answer from the sidecar for/ }).waitFor();
  t.equal(await page.getByRole('heading', { name: 'All is well' }).count(), 0);
  await RealSidecar.start(t, { operatorPort: first.operatorPort });
  await page.locator('.fresh.live').waitFor({ timeout: 30_000 });
  t.notMatch(await page.title(), /gone/);
  await page.getByRole('heading', { name: 'All is well' }).waitFor();
});
