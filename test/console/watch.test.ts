import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { watch } from '../../src/console/watch.ts';
import type { StatusSnapshot } from '../../src/status/types.ts';
import { portOf } from '../admin/port-of.ts';
import { runCli } from '../cli/run-cli.ts';
import { TestClock } from '../test-clock.ts';
import { FakeTerminal } from './fake-terminal.ts';
import { destination, detail, sidecar, snapshot } from './status-fixture.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const says =
  (status: StatusSnapshot): Answer =>
  (_, response) =>
    response.end(JSON.stringify(status));

/** A terminal that watches a port whose answers the test makes; time moves by the test alone. */
async function setup(t: Test, first: Answer = says(snapshot()), opened: string | null = null) {
  const asked: string[] = [];
  let answer = first;
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  const clock = new TestClock();
  const terminal = new FakeTerminal();
  const target = { kind: 'url', url: `http://127.0.0.1:${port}`, token: null } as const;
  const looks = { colour: false, unicode: true };
  const ended = watch(terminal, target, opened, 1000, looks, { clock });
  t.teardown(() => {
    terminal.hangUp();
    server.close();
    server.closeAllConnections();
  });
  return {
    asked,
    clock,
    terminal,
    ended,
    server,
    port,
    answers: (next: Answer) => {
      answer = next;
    },
  };
}

/** A little time, and what comes of it. */
async function step(clock: TestClock, ms: number): Promise<void> {
  clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

t.test('it asks once a second, and shows what has changed', async (t) => {
  const { terminal, clock, asked, answers } = await setup(t);
  t.match(terminal.text, /asking …/);
  await terminal.shows(/orders\.shop:8080 {2}10\/10/);
  answers(says(snapshot({ destinations: [destination('new.shop:80')] })));
  clock.advance(999);
  t.equal(asked.length, 1);
  clock.advance(1);
  await terminal.shows(/new\.shop:80 /);
  t.same(asked, ['/status', '/status?history=none']);
  t.notMatch(terminal.text, /10\/10/);
});

t.test('histories are asked for as often as they have a new point, and kept in between', async (t) => {
  const { terminal, clock, asked, answers } = await setup(t);
  await terminal.shows(/▁▃▅█/);
  answers(says(snapshot({ history: {}, sidecar: sidecar({ host: 'answered' }) })));
  const begun = clock.now();
  while (asked.length < 2) await step(clock, 100);
  await terminal.shows(/answered/);
  t.match(terminal.text, /▁▃▅█/, 'it stays where an answer has none');
  while (!asked.slice(1).includes('/status')) await step(clock, 100);
  t.ok(clock.now() - begun >= 5000);
  t.ok(asked.length > 2, 'asked for the rest in between');
  while (/▁▃▅█/.test(terminal.text)) await step(clock, 0);
  t.pass('the next history takes its place');
});

t.test('one question runs at a time, however long its answer takes', async (t) => {
  const held: ServerResponse[] = [];
  const { clock, asked, terminal } = await setup(t, (_, response) => held.push(response));
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(4000);
  t.equal(asked.length, 1);
  held[0]?.end(JSON.stringify(snapshot()));
  await terminal.shows(/live/);
});

t.test('a destination that is opened is asked for in detail at once, and no more when it is closed', async (t) => {
  const full = snapshot({ detail: detail('orders.shop:8080') });
  const { terminal, asked, answers } = await setup(t);
  await terminal.shows(/10\/10/);
  answers(says(full));
  terminal.press('return');
  await terminal.shows(/balancer p2c/);
  t.equal(asked.at(-1), '/status?destination=orders.shop%3A8080&history=none');
  answers(says(snapshot()));
  terminal.press('escape');
  t.match(terminal.text, /\[1:destinations\]/);
  while (asked.length < 3) await new Promise((resolve) => setImmediate(resolve));
  t.equal(asked.at(-1), '/status?history=none');
});

t.test('what is opened while a question runs is asked for as soon as that is answered', async (t) => {
  const held: ServerResponse[] = [];
  const { terminal, asked, answers, clock } = await setup(t);
  await terminal.shows(/10\/10/);
  answers((_, response) => held.push(response));
  clock.advance(1000);
  while (held.length === 0) await step(clock, 0);
  answers(says(snapshot({ detail: detail('orders.shop:8080') })));
  terminal.press('return');
  held[0]?.end(JSON.stringify(snapshot()));
  await terminal.shows(/balancer p2c/);
  t.same(asked, ['/status', '/status?history=none', '/status?destination=orders.shop%3A8080&history=none']);
});

t.test('a destination can be named on the command line', async (t) => {
  const { terminal, asked } = await setup(
    t,
    says(snapshot({ detail: detail('orders.shop:8080') })),
    'orders.shop:8080',
  );
  await terminal.shows(/balancer p2c/);
  t.same(asked, ['/status?destination=orders.shop%3A8080']);
});

t.test('a destination that has gone is said to be gone, and the rest is shown', async (t) => {
  const gone: Answer = ({ url }, response) => {
    if (url?.includes('destination')) response.statusCode = 404;
    response.end(
      JSON.stringify(url?.includes('destination') ? { code: 'NO_SUCH_DESTINATION', message: 'no' } : snapshot()),
    );
  };
  const { terminal } = await setup(t, gone, 'gone.shop:80');
  await terminal.shows(/knows no gone\.shop:80/);
  t.match(terminal.text, /53 req\/s/);
});

t.test('a sidecar that ends is waited for, its last figures stay, and its return is told', async (t) => {
  const { terminal, clock, server, port } = await setup(t);
  await terminal.shows(/live/);
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  clock.advance(1000);
  await terminal.shows(/stale for 1s, trying again/);
  t.match(terminal.text, /nothing listens on/);
  t.match(terminal.text, /orders\.shop:8080 {2}10\/10/);
  clock.advance(1000);
  await terminal.shows(/stale for 2s/);
  const again = createServer(says(snapshot({ sidecar: sidecar({ uptimeMs: 400 }) }))).listen(port, '127.0.0.1');
  t.teardown(() => again.close());
  await once(again, 'listening');
  // A question may be on its way that nobody has answered yet.
  while (!/restarted \d+m?s ago/.test(terminal.text)) await step(clock, 100);
  t.notMatch(terminal.text, /nothing listens/);
});

t.test('while the display is paused nothing moves, and p goes on with the newest', async (t) => {
  const { terminal, clock, asked, answers } = await setup(t);
  await terminal.shows(/10\/10/);
  terminal.press('p');
  const later = snapshot({ time: snapshot().time + 1000, destinations: [destination('new.shop:80')] });
  answers(says(later));
  clock.advance(1000);
  await terminal.shows(/paused 1s/);
  t.equal(asked.length, 2);
  t.match(terminal.text, /10\/10/);
  terminal.press('p');
  t.match(terminal.text, /new\.shop:80/);
  t.notMatch(terminal.text, /10\/10/);
});

t.test('ages go on where no answer comes', async (t) => {
  const { terminal, clock, answers, asked } = await setup(t);
  await terminal.shows(/live/);
  answers(() => {});
  clock.advance(1000);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(3000);
  t.match(terminal.text, /stale for 4s/);
  clock.advance(2000);
  await terminal.shows(/did not answer within 5 s/);
});

t.test('where nothing has changed nothing is written', async (t) => {
  const { terminal, clock, asked } = await setup(t);
  await terminal.shows(/live/);
  const { writes } = terminal;
  clock.advance(1000);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(500);
  t.equal(terminal.writes, writes);
});

t.test('another size is drawn at once, also a small one', async (t) => {
  const { terminal } = await setup(t);
  await terminal.shows(/live/);
  terminal.resize(30, 5);
  t.match(terminal.text, /^30×5 is too small/);
  terminal.resize(120, 40);
  t.match(terminal.text, /live\n(.|\n)*10\/10/);
});

t.test('q, Ctrl-C and the end of the terminal end it with 0, and leave no timer', async (t) => {
  for (const end of [
    (terminal: FakeTerminal) => terminal.press('q'),
    (terminal: FakeTerminal) => terminal.press({ name: 'c', ctrl: true }),
    (terminal: FakeTerminal) => terminal.hangUp(),
  ]) {
    const { terminal, ended, clock } = await setup(t);
    await terminal.shows(/live/);
    end(terminal);
    t.equal(await ended, 0);
    t.equal(terminal.state, 'closed');
    t.equal(clock.waiting, 0);
  }
});

t.test('who leaves does not wait for an answer that does not come', async (t) => {
  const { terminal, ended, asked, clock, server } = await setup(t, () => {});
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  terminal.press('q');
  t.equal(await ended, 0);
  // Only connections that are still open keep a server from closing.
  server.close();
  await once(server, 'close');
  t.equal(clock.waiting, 0);
});

t.test('Ctrl-Z suspends', async (t) => {
  const { terminal } = await setup(t);
  terminal.press({ name: 'z', ctrl: true });
  t.equal(terminal.state, 'suspended');
});

t.test('a fault gives the terminal back before it is told', async (t) => {
  const { terminal, ended } = await setup(t);
  await terminal.shows(/live/);
  terminal.size = () => {
    throw new Error('on purpose');
  };
  terminal.press('down');
  await t.rejects(ended, { message: 'on purpose' });
  t.equal(terminal.state, 'closed');
});

t.test('an address that is none ends it with what is wrong', async (t) => {
  const terminal = new FakeTerminal();
  const target = { kind: 'url', url: 'ftp://x', token: null } as const;
  const ended = watch(terminal, target, null, 1000, { colour: false, unicode: true }, { clock: new TestClock() });
  await t.rejects(ended, { message: /is no http:\/\/ address/, exitCode: 64 });
  t.equal(terminal.state, 'closed');
});

t.test('an older sidecar, and something else that answers, are named as such', async (t) => {
  const old = await setup(t, (_, response) => {
    response.statusCode = 404;
    response.end('{"code":"NOT_FOUND"}');
  });
  await old.terminal.shows(/has no \/status: the sidecar there is older/);
  const other = await setup(t, (_, response) => response.end('<html>'));
  await other.terminal.shows(/not as a sidecar does/);
  const ill = await setup(t, (_, response) => {
    response.statusCode = 503;
    response.end('{"message":"too many answers at once"}');
  });
  await ill.terminal.shows(/too many answers at once/);
});

t.test('a sidecar that says less than is expected is shown all the same', async (t) => {
  const { terminal } = await setup(t, (_, response) =>
    response.end('{"destinations":[{"name":"a:80"}],"findings":[{}]}'),
  );
  await terminal.shows(/a:80 +0\/0/);
});

t.test('without a terminal the command says what to use instead', async (t) => {
  const { code, err } = await runCli(['watch']);
  t.equal(code, 64);
  t.match(err, /needs a terminal.*carpool pools --watch/);
  t.match(await runCli(['watch', '--interval', '0']), { code: 64, err: /seconds/ });
});
