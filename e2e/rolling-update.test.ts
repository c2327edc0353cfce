import { closeBooks, scenario } from './scenario.ts';

const RATE = 500;
const POST_SHARE = 0.2;

scenario('rolling updates of pods that serve on for 5 s: no request fails, no POST arrives twice', async (t, stage) => {
  const shop = await stage.shop({ lingerMs: 5000 });
  await shop.createApp('web', 3);
  const carpool = await stage.carpool(shop);
  const load = await stage.load({
    proxyPort: carpool.port,
    hosts: [shop.host('web')],
    rate: RATE,
    postShare: POST_SHARE,
  });
  await carpool.untilFound(`${shop.host('web')}:80`, 'kubernetes', 3);
  for (let round = 0; round < 2; round++) {
    await load.more(RATE);
    await shop.rollOut('web');
  }
  await load.more(RATE);
  const books = await closeBooks(t, { load, carpool, shop });
  t.equal(shop.node.terminations.length, 6, 'six pods were replaced');
  // The control plane's part in that second: the news take 10 to 60 ms to the slice, and now and then far longer.
  const late = books.origins.filter(
    ({ what, origin, at }) => what === 'received' && shop.node.terminated(origin).some((ended) => at > ended + 1000),
  );
  t.same(late, [], 'no pod got a request more than a second after it was told to end');
});

scenario(
  'rolling updates of pods that stop at once: no GET fails, and of POSTs only those sent into the close',
  async (t, stage) => {
    const shop = await stage.shop();
    await shop.createApp('web', 3);
    const carpool = await stage.carpool(shop);
    const load = await stage.load({
      proxyPort: carpool.port,
      hosts: [shop.host('web')],
      rate: RATE,
      postShare: POST_SHARE,
    });
    await carpool.untilFound(`${shop.host('web')}:80`, 'kubernetes', 3);
    for (let round = 0; round < 3; round++) {
      await load.more(RATE);
      await shop.rollOut('web');
    }
    await load.more(RATE);
    const books = await closeBooks(t, { load, carpool, shop }, 'POSTs');
    // Either code says that bytes of the request had been sent when the connection ended: before that, carpool tries again.
    const lost = books.client.filter((entry) => entry.status !== 200);
    const intoTheClose = lost.filter(
      ({ method, code, sentAt, endedAt }) =>
        method === 'POST' &&
        (code === 'UPSTREAM_RESET' || code === 'UPSTREAM_CLOSED') &&
        shop.node.terminations.some((at) => at <= endedAt && sentAt < at + 1000),
    );
    t.equal(intoTheClose.length, lost.length, 'each failed POST had begun on a connection that its pod then closed');
  },
);

scenario('a rolling update while slow requests run cuts none of them', async (t, stage) => {
  const shop = await stage.shop({ lingerMs: 1000 });
  await shop.createApp('web', 3);
  const carpool = await stage.carpool(shop);
  const load = await stage.load({
    proxyPort: carpool.port,
    hosts: [shop.host('web')],
    rate: 40,
    postShare: 0.5,
    query: '?delay=3000',
  });
  await carpool.untilFound(`${shop.host('web')}:80`, 'kubernetes', 3);
  await load.more(40);
  await shop.rollOut('web');
  await load.more(40);
  const books = await closeBooks(t, { load, carpool, shop });
  const across = books.client.filter(({ sentAt, endedAt, origin }) =>
    shop.node.terminated(origin).some((at) => sentAt < at && endedAt > at + 1000),
  );
  t.ok(across.length > 0, `${across.length} requests outlived the listening of their pod`);
});
