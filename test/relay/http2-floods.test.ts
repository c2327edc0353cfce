import t, { type Test } from 'tap';
import { type App, startApp } from '../http2/apps.ts';
import { startOrigin } from '../http2/origins.ts';
import { type RawApp, rawApp } from '../http2/raw-app.ts';
import { rawFrame, rawSettings, uint32 } from '../http2/raw-frame.ts';
import { type Fields, literals } from '../http2/scripted-server.ts';
import { type Behind, startBehind } from './http2-app-fixture.ts';

/** Floods (rule 21): CVE-2019-9511 to 9518, CVE-2023-44487 (rapid reset), CVE-2024-27316 and others (CONTINUATION), CVE-2025-8671 (MadeYouReset). */

const CANCEL = 8;
const COMPRESSION_ERROR = 9;
const ENHANCE_YOUR_CALM = 11;

/** What an attacker may make carpool hold, and how many requests may reach the upstream before it is stopped. */
const MOST_HELD = 3 * 1024 * 1024;
const MOST_REQUESTS = 1500;

/** An attack in steps: each step writes something, and tells whether there is more to come. */
type Attack = (attacker: RawApp, step: number) => boolean;

/** Honest apps, one of each protocol, which ask again and again until `done`. */
class Honest {
  asked = 0;
  readonly failures: string[] = [];
  readonly #apps: App[];
  readonly #authority: string;

  constructor(t: Test, relay: Behind) {
    this.#apps = [startApp(t, 'http2', relay.port), startApp(t, 'http1', relay.port)];
    this.#authority = relay.authority;
  }

  /** One request by each of them. */
  async ask(): Promise<void> {
    const authority = this.#authority;
    await Promise.all(
      this.#apps.map(async (app) => {
        const path = `/honest/${this.asked++}`;
        const method = this.asked % 2 === 0 ? 'POST' : 'GET';
        const body = method === 'POST' ? 'honest body' : undefined;
        const sent = app.send({ authority, path, method, body });
        const answer = await sent.catch((error: unknown) => ({ status: 0, body: String(error) }));
        if (answer.status !== 200 || String(answer.body) !== path)
          this.failures.push(`${app.spoken} ${answer.status} ${answer.body}`);
      }),
    );
  }
}

/**
 * Lets `attack` run against a sidecar while two honest apps work, and asserts that these do not suffer, that memory and the upstream's
 * work are bounded, and that nothing is left when the attacker has gone.
 * @param end what becomes of the attacker: the code of its GOAWAY, or null where it is only held back
 */
async function under(t: Test, attack: Attack, end: number | null): Promise<void> {
  const origin = await startOrigin(t, 'http2', ({ path }) => ({ body: path === '/big' ? Buffer.alloc(50_000) : path }));
  const relay = await startBehind(t, origin.port, 'http2');
  const honest = new Honest(t, relay);
  await honest.ask();
  const attacker = await rawApp(t, relay.port, relay.authority, { records: false });
  // So that its own ACK stands in the middle of nothing.
  await attacker.settled();
  let most = 0;
  let step = 0;
  for (let more = true; more && !attacker.ended; step++) {
    more = attack(attacker, step);
    await honest.ask();
    most = Math.max(most, relay.app.process().bufferedBytes);
    // A whole attack takes some seconds of carpool's time: budgets are by time as well.
    relay.clock.advance(20);
  }
  if (end !== null) {
    await attacker.until(({ ended }) => ended);
    t.equal(attacker.goaways.at(-1)?.code, end, `the attacker was stopped after ${step} steps`);
  }
  for (let round = 0; round < 10; round++) await honest.ask();
  t.same(honest.failures, [], `${honest.asked} requests of the honest apps are answered`);
  t.ok(most <= MOST_HELD, `${most} bytes were held at most`);
  const attacked = origin.requests.filter(({ path }) => !path.startsWith('/honest/')).length;
  t.ok(attacked <= MOST_REQUESTS, `${attacked} requests of the attacker reached the upstream`);
  attacker.socket.destroy();
  await relay.nothingLeft(t);
}

const REQUEST = (app: RawApp, path = '/attack'): Buffer => literals(app.requestFields('GET', path));

/** So many of something, in one write. */
const many = (app: RawApp, count: number, frame: (index: number) => Buffer): void =>
  app.send(...Array.from({ length: count }, (_, index) => frame(index)));

/** As many steps as no attack may need. */
const STEPS = 200;

const STEADY: readonly (readonly [what: string, attack: Attack])[] = [
  [
    'rapid reset',
    (app) => {
      const block = REQUEST(app);
      many(app, 50, () => {
        const id = app.nextId();
        return Buffer.concat([rawFrame(1, 5, id, block), rawFrame(3, 0, id, uint32(CANCEL))]);
      });
      return true;
    },
  ],
  [
    'rapid reset with DATA',
    (app) => {
      const block = literals(app.requestFields('POST', '/attack'));
      many(app, 50, () => {
        const id = app.nextId();
        return Buffer.concat([
          rawFrame(1, 4, id, block),
          rawFrame(0, 0, id, 'x'.repeat(100)),
          rawFrame(3, 0, id, uint32(CANCEL)),
        ]);
      });
      return true;
    },
  ],
  ...(
    [
      ['a window over its bound', (id: number) => rawFrame(8, 0, id, uint32(0x7fffffff))],
      ['an increment of zero', (id: number) => rawFrame(8, 0, id, uint32(0))],
      ['DATA after END_STREAM', (id: number) => Buffer.concat([rawFrame(0, 1, id, 'x'), rawFrame(0, 1, id, 'x')])],
      [
        'HEADERS after END_STREAM',
        (id: number) => Buffer.concat([rawFrame(0, 1, id, 'x'), rawFrame(1, 5, id, literals([['a', 'b']]))]),
      ],
      ['a PRIORITY frame of four bytes', (id: number) => rawFrame(2, 0, id, uint32(0))],
      ['a PRIORITY frame on itself', (id: number) => rawFrame(2, 0, id, Buffer.concat([uint32(id), Buffer.from([1])]))],
      ['trailers with a pseudo-header field', (id: number) => rawFrame(1, 5, id, literals([[':path', '/']]))],
    ] as const
  ).map(([what, frame]): [string, Attack] => [
    `MadeYouReset by ${what}`,
    (app) => {
      const block = literals(app.requestFields('POST', '/attack'));
      many(app, 50, () => {
        const id = app.nextId();
        return Buffer.concat([rawFrame(1, 4, id, block), frame(id)]);
      });
      return true;
    },
  ]),
  [
    'MadeYouReset by a body over its length',
    (app) => {
      const block = literals(app.requestFields('POST', '/attack', [['content-length', '1']]));
      many(app, 50, () => {
        const id = app.nextId();
        return Buffer.concat([rawFrame(1, 4, id, block), rawFrame(0, 0, id, 'too long')]);
      });
      return true;
    },
  ],
  [
    'malformed requests',
    (app) => {
      const block = literals(app.requestFields('GET', '/attack', [['connection', 'close']]));
      many(app, 50, () => rawFrame(1, 5, app.nextId(), block));
      return true;
    },
  ],
  [
    'PING',
    (app) => {
      many(app, 200, () => rawFrame(6, 0, 0, Buffer.alloc(8)));
      return true;
    },
  ],
  [
    'SETTINGS',
    (app) => {
      many(app, 200, (index) => rawFrame(4, 0, 0, rawSettings([[4, 1000 + index]])));
      return true;
    },
  ],
  [
    'empty SETTINGS',
    (app) => {
      many(app, 200, () => rawFrame(4, 0, 0));
      return true;
    },
  ],
  [
    'PRIORITY',
    (app) => {
      many(app, 200, (index) => rawFrame(2, 0, 2 * index + 1001, Buffer.alloc(5)));
      return true;
    },
  ],
  [
    'WINDOW_UPDATE of the connection',
    (app) => {
      many(app, 200, () => rawFrame(8, 0, 0, uint32(1)));
      return true;
    },
  ],
  [
    'unknown frames',
    (app) => {
      many(app, 200, (index) => rawFrame(20 + (index % 100), 255, index, 'whatever'));
      return true;
    },
  ],
  [
    'empty DATA',
    (app, step) => {
      const id = step === 0 ? app.post('/attack') : 1;
      many(app, 200, () => rawFrame(0, 0, id));
      return true;
    },
  ],
  [
    'DATA of nothing but padding',
    (app, step) => {
      const id = step === 0 ? app.post('/attack') : 1;
      many(app, 200, () => rawFrame(0, 8, id, Buffer.from([3, 0, 0, 0])));
      return true;
    },
  ],
  [
    'WINDOW_UPDATE of a stream that stands still',
    (app, step) => {
      const id = step === 0 ? app.post('/attack') : 1;
      many(app, 200, () => rawFrame(8, 0, id, uint32(1)));
      return true;
    },
  ],
  [
    'streams over the limit',
    (app) => {
      const block = literals(app.requestFields('POST', '/attack'));
      many(app, 200, () => rawFrame(1, 4, app.nextId(), block));
      return true;
    },
  ],
];

for (const [what, attack] of STEADY) {
  t.test(`rule 21: ${what} without end earns ENHANCE_YOUR_CALM, and honest apps do not suffer`, async (t) => {
    await under(t, (app, step) => attack(app, step) && step < STEPS, ENHANCE_YOUR_CALM);
  });
}

const CONTINUATION =
  (fill: (index: number) => Buffer, block: (app: RawApp) => Buffer): Attack =>
  (app, step) => {
    if (step === 0) app.send(rawFrame(1, 1, app.nextId(), block(app)));
    many(app, 20, (index) => rawFrame(9, 0, 1, fill(step * 20 + index)));
    return step < STEPS;
  };

for (const [what, attack] of [
  ['large CONTINUATIONs', CONTINUATION((index) => literals([[`x-${index}`, 'y'.repeat(8000)]]), REQUEST)],
  ['small CONTINUATIONs', CONTINUATION((index) => literals([[`x-${index}`, 'y']]), REQUEST)],
  ['empty CONTINUATIONs', CONTINUATION(() => Buffer.alloc(0), REQUEST)],
] as const) {
  t.test(`rule 21: ${what} without end earn ENHANCE_YOUR_CALM, and honest apps do not suffer`, async (t) => {
    await under(t, attack, ENHANCE_YOUR_CALM);
  });
}

t.test('rule 21: heads in tiny CONTINUATIONs, each within bounds, earn ENHANCE_YOUR_CALM', async (t) => {
  await under(
    t,
    (app, step) => {
      const block = REQUEST(app);
      const id = app.nextId();
      const pieces = Array.from({ length: 20 }, (_, index) =>
        rawFrame(9, index === 19 ? 4 : 0, id, index === 19 ? block.subarray(20) : block.subarray(index, index + 1)),
      );
      app.send(rawFrame(1, 1, id), ...pieces.slice(0, 19), rawFrame(9, 4, id, block.subarray(19)));
      return step < STEPS;
    },
    ENHANCE_YOUR_CALM,
  );
});

/** Fields that fill the dynamic table with one entry of nearly all of it, and a block that refers to it again and again. */
const BOMB_VALUE = 'b'.repeat(3900);
const bombEntry = (): Buffer =>
  Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f]), integerRest(BOMB_VALUE.length - 127), Buffer.from(BOMB_VALUE)]);

/** What follows a full prefix (RFC 7541 section 5.1). */
function integerRest(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left >>>= 7) bytes.push((left & 127) | 128);
  bytes.push(left);
  return Buffer.from(bytes);
}

t.test('rule 21: an HPACK bomb costs its sender a 431 and carpool no memory, wherever it is put', async (t) => {
  await under(
    t,
    (app, step) => {
      const bomb = Buffer.alloc(15_000, 0x80 | 62);
      const id = app.nextId();
      if (step === 0) app.send(rawFrame(1, 5, id, Buffer.concat([REQUEST(app), bombEntry()])));
      else if (step % 3 === 0) app.send(rawFrame(1, 5, id, Buffer.concat([REQUEST(app), bomb])));
      // In trailers, and behind the end of a stream.
      else if (step % 3 === 1)
        app.send(rawFrame(1, 4, id, literals(app.requestFields('POST', '/attack'))), rawFrame(1, 5, id, bomb));
      else
        app.send(
          rawFrame(1, 5, id, Buffer.concat([literals(app.requestFields('GET', '/attack', [['te', 'gzip']])), bomb])),
        );
      return step < 100;
    },
    null,
  );
});

t.test('rule 21: blocks far over listener.maxHeadBytes are not read to their end', async (t) => {
  const large: Fields = Array.from({ length: 190 }, (_, index) => [`x-${index}`, 'v'.repeat(330)]);
  await under(
    t,
    (app, step) => {
      const block = literals(app.requestFields('GET', '/attack', [...large, ['x-more', 'm'.repeat(210_000)]]));
      const id = app.nextId();
      app.send(rawFrame(1, 1, id, block.subarray(0, 16_384)));
      for (let at = 16_384; at < block.length; at += 16_384)
        app.send(rawFrame(9, at + 16_384 >= block.length ? 4 : 0, id, block.subarray(at, at + 16_384)));
      return step < 60;
    },
    ENHANCE_YOUR_CALM,
  );
});

for (const [what, block] of [
  ['a table over the bound', Buffer.concat([Buffer.from([0x3f]), integerRest(5000 - 31)])],
  ['an index behind the table', Buffer.from([0xff, 0x20])],
  ['an integer without end', Buffer.alloc(20, 0xff)],
  ['a string longer than its block', Buffer.from([0x00, 0x7f, 0xff, 0xff])],
  ['a size update behind a field', Buffer.from([0x82, 0x20])],
] as const) {
  t.test(`rule 21: HPACK of ${what} is COMPRESSION_ERROR for its sender alone`, async (t) => {
    await under(
      t,
      (app) => {
        app.send(rawFrame(1, 5, app.nextId(), block));
        return false;
      },
      COMPRESSION_ERROR,
    );
  });
}

t.test('rule 21: a table that is emptied and filled with each request is the sender’s own loss', async (t) => {
  await under(
    t,
    (app, step) => {
      const resize = Buffer.concat([Buffer.from([0x20, 0x3f]), integerRest(4096 - 31)]);
      many(app, 5, () => rawFrame(1, 5, app.nextId(), Buffer.concat([resize, REQUEST(app), bombEntry()])));
      return step < 60;
    },
    null,
  );
});
