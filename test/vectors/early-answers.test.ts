import t, { type Test } from 'tap';
import { type OriginConnection, type RawOrigin, rawOrigin } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { Caller } from './client-exchange.ts';
import { readRequests, readResponses, type StrictMessage } from './strict-reader.ts';

/** Bodies that look like requests, behind an answer that came before their end: they must never become requests. */

const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n';
const BODY = HIDDEN.repeat(2);
const CHUNKS = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n`.repeat(2);

/** An origin that answers `/early` as soon as it has its head, and everything else when it has it whole. */
async function earlyOrigin(t: Test, answer: string): Promise<RawOrigin> {
  return rawOrigin(t, (connection) => {
    let answered = 0;
    connection.socket.on('data', () => {
      const { messages, consumed } = readRequests(connection.received);
      for (const { target } of messages.slice(answered)) {
        answered++;
        connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
      }
      const isEarly = /^POST \/early [\s\S]*\r\n\r\n/.test(connection.received.slice(consumed));
      if (isEarly && answered === messages.length) {
        answered++;
        connection.write(answer);
      }
    });
    connection.socket.on('end', () => connection.socket.end());
  });
}

const finals = (caller: Caller, ended: boolean): readonly StrictMessage[] =>
  readResponses(caller.received, [], ended).messages.filter(({ status }) => status >= 200);

/** What is wrong with what the origin read: a request that nobody sent, a body that is not the body, or no HTTP at all. */
function wrongAtOrigin(connections: readonly OriginConnection[], body: string): string[] {
  const wrong: string[] = [];
  for (const { received } of connections) {
    const { messages, end, partialBody } = readRequests(received);
    if (end === 'malformed') wrong.push(`malformed: ${received}`);
    if (partialBody !== null && !body.startsWith(partialBody)) wrong.push(`part of another body: ${partialBody}`);
    for (const message of messages) {
      const known = message.target === '/after' || (message.target === '/early' && message.body === body);
      if (!known) wrong.push(`${message.line} with ${message.body}`);
    }
  }
  return wrong;
}

type Shape = { readonly name: string; readonly head: string; readonly body: string; readonly content: string };

const SHAPES: readonly Shape[] = [
  { name: 'a length', head: `Content-Length: ${BODY.length}\r\n`, body: BODY, content: BODY },
  { name: 'chunks', head: 'Transfer-Encoding: chunked\r\n', body: `${CHUNKS}0\r\n\r\n`, content: BODY },
  {
    name: 'Expect and a length',
    head: `Expect: 100-continue\r\nContent-Length: ${BODY.length}\r\n`,
    body: BODY,
    content: BODY,
  },
  {
    name: 'Expect and chunks',
    head: 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n',
    body: `${CHUNKS}0\r\n\r\n`,
    content: BODY,
  },
];

const ANSWER = 'HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge';

async function ask(sidecar: Sidecar, host: string, shape: Shape, sentBefore: number): Promise<Caller> {
  const caller = new Caller(sidecar.port);
  await caller.connected();
  await caller.send([
    `POST http://${host}/early HTTP/1.1\r\nHost: ${host}\r\n${shape.head}\r\n${shape.body.slice(0, sentBefore)}`,
  ]);
  await caller.until(() => caller.ended || finals(caller, caller.ended).length > 0);
  return caller;
}

// Very many connections: on a busy machine they take their time.
t.setTimeout(60_000);

for (const shape of SHAPES) {
  t.test(
    `rule 16: an answer before the end of a body with ${shape.name}: the rest is body, at every split`,
    async (t) => {
      const origin = await earlyOrigin(t, ANSWER);
      const host = `127.0.0.1:${origin.port}`;
      const sidecar = await startSidecar(t);
      const after = `GET http://${host}/after HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      const wrong: string[] = [];
      let continued = 0;
      for (let offset = 0; offset < shape.body.length; offset++) {
        const caller = await ask(sidecar, host, shape, offset);
        await caller.send([shape.body.slice(offset) + after]);
        await caller.until(() => caller.ended || finals(caller, caller.ended).length > 1);
        const answers = finals(caller, true).map(({ status, body }) => `${status} ${body}`);
        if (answers[0] !== '413 large' || (answers.length > 1 && answers[1] !== '200 /after') || answers.length > 2)
          wrong.push(`${offset}: ${answers.join()}`);
        if (answers.length === 2) continued++;
        await caller.finish();
      }
      t.same(wrong, []);
      const waits = shape.head.startsWith('Expect');
      t.equal(
        continued,
        waits ? 0 : shape.body.length,
        'an app that waits for 100 is closed on, any other gets its next answer',
      );
      t.same(wrongAtOrigin(origin.connections, shape.content), []);
    },
  );
}

t.test(
  'rule 12: a request that is refused with its body unread closes, and the body is no request, at every split',
  async (t) => {
    const origin = await earlyOrigin(t, ANSWER);
    const host = `127.0.0.1:${origin.port}`;
    const { port } = await startSidecar(t);
    const heads = [
      `POST /path-alone HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${BODY.length}\r\n\r\n`,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nExpect: tea\r\nContent-Length: ${BODY.length}\r\n\r\n`,
      `POST http://${host}/ HTTP/1.1\r\nContent-Length: ${BODY.length}\r\n\r\n`,
      `OPTIONS http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nMax-Forwards: 0\r\nContent-Length: ${BODY.length}\r\n\r\n`,
    ];
    const hidden = `GET http://${host}/hidden HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      .padEnd(BODY.length, 'x')
      .slice(0, BODY.length);
    for (const head of heads) {
      for (const offset of [0, 1, 10, BODY.length - 1, BODY.length]) {
        const caller = new Caller(port);
        await caller.connected();
        await caller.send([head + hidden.slice(0, offset), hidden.slice(offset) + hidden]);
        await caller.until(({ ended }) => ended || finals(caller, false).length > 1);
        t.equal(finals(caller, true).length, 1, `one answer at ${offset} to ${head.slice(0, 40)}`);
        await caller.finish();
      }
    }
    t.equal(origin.connections.length, 0, 'nothing went to the origin');
  },
);
