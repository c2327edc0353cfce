import { appendFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { Requests } from '../load/requests.ts';

/**
 * The app in a pod: an open loop like load.ts, by the proxy that its variables name, or without one where they name none.
 *
 *   NAME=pod LEDGERS=folder HOSTS=a,b RATE=100 POST_SHARE=0.2 [COUNT=n] [EXIT_CODE=n] [LINGER_MS=n] node app.ts
 *
 * It begins at once, so that a sidecar that is not ready costs its first requests. At SIGTERM it goes on for LINGER_MS; with
 * COUNT it ends by itself after so many requests, with EXIT_CODE. When all of its requests have been answered it puts the
 * sidecar's /metrics, which nothing changes any more, into NAME.metrics. NAME.times tells when it started, got SIGTERM and
 * ended (milliseconds).
 */
const {
  NAME = '',
  LEDGERS = '',
  HOSTS = '',
  RATE = '100',
  POST_SHARE = '0',
  COUNT = '',
  LINGER_MS = '0',
} = process.env;
const { http_proxy = '', EXIT_CODE = '0', OPERATOR_PORT = '14191' } = process.env;

const proxy = http_proxy === '' ? null : { host: new URL(http_proxy).hostname, port: Number(new URL(http_proxy).port) };
const most = COUNT === '' ? Number.POSITIVE_INFINITY : Number(COUNT);
let stopping = false;
let ending = false;

const requests = new Requests(
  {
    proxy,
    ledger: `${LEDGERS}/${NAME}.client`,
    postShare: Number(POST_SHARE),
    // The same pod name never comes again, but a container in it may.
    prefix: `${NAME}.${Date.now().toString(36)}`,
    query: '',
    hosts: HOSTS.split(','),
  },
  () => {
    if (requests.ended >= most) stop();
    if (stopping && requests.open === 0) void end();
  },
);

function note(what: string): void {
  appendFileSync(`${LEDGERS}/${NAME}.times`, `${what} ${Date.now()}\n`);
}

function stop(): void {
  clearInterval(pace);
  stopping = true;
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  if (proxy !== null) {
    let text = await metrics();
    // The last answer comes before the end of its exchange.
    for (let tries = 0; tries < 50 && /^carpool_exchanges\b.* [1-9]/m.test(text); tries++) {
      await wait(20);
      text = await metrics();
    }
    writeFileSync(`${LEDGERS}/${NAME}.metrics`, text);
  }
  note('ended');
  process.exit(Number(EXIT_CODE));
}

/** What the sidecar has counted, or why that is not to be had, as a comment. */
function metrics(): Promise<string> {
  return new Promise((resolve) => {
    const call = get({ host: '127.0.0.1', port: Number(OPERATOR_PORT), path: '/metrics', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve(body));
    });
    call.once('error', (error) => resolve(`# ${error.message}\n`));
  });
}

const begun = performance.now();
note('started');
const pace = setInterval(() => {
  const due = Math.min(most, ((performance.now() - begun) * Number(RATE)) / 1000);
  while (requests.sent < due) requests.send();
}, 2);
process.once('SIGTERM', () => {
  note('sigterm');
  setTimeout(() => {
    stop();
    if (requests.open === 0) void end();
  }, Number(LINGER_MS));
});
