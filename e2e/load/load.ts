import { openSync, writeSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { at } from '../cluster/json.ts';

/**
 * An app under load, in a process of its own: requests come when they are due, whether earlier ones have been answered
 * or not (an open loop), over keep-alive connections to the proxy, and none is ever repeated.
 *
 *   node load.ts PROXY-PORT LEDGER RATE POST-SHARE PREFIX QUERY HOST...
 *
 * A line of the ledger for each request: when it was sent and answered (milliseconds), method, id, status (0: no answer),
 * the error's code or `-`, the origin or `-`, the host. It ends, after the last answer, when its standard input ends.
 */
const [proxyPort = '', ledgerPath = '', rateText = '', postShare = '', prefix = '', query = '', ...hosts] =
  process.argv.slice(2);
const rate = Number(rateText);
const ledger = openSync(ledgerPath, 'a');
const agent = new Agent({ keepAlive: true, maxSockets: 128, maxFreeSockets: 128, scheduling: 'fifo' });
const payload = Buffer.alloc(200, 'x');

let sent = 0;
let ended = 0;
let stopping = false;

function codeOf(body: string): string {
  try {
    const code = at(JSON.parse(body), 'code');
    return typeof code === 'string' ? code : 'UNREADABLE';
  } catch {
    return 'UNREADABLE';
  }
}

function send(index: number): void {
  // A share of 0.2 makes each fifth a POST.
  const method = Math.floor((index + 1) * Number(postShare)) > Math.floor(index * Number(postShare)) ? 'POST' : 'GET';
  const host = hosts[index % hosts.length] ?? '';
  const id = `${prefix}-${index}`;
  const sentAt = Date.now();
  let over = false;
  const end = (status: number, code: string, origin: string): void => {
    if (over) return;
    over = true;
    writeSync(ledger, `${sentAt} ${Date.now()} ${method} ${id} ${status} ${code} ${origin} ${host}\n`);
    ended++;
    finish();
  };
  const call = request({
    agent,
    host: '127.0.0.1',
    port: Number(proxyPort),
    method,
    path: `http://${host}/orders/${id}${query}`,
    headers: { host, ...(method === 'POST' && { 'content-length': payload.length }) },
  });
  call.once('error', (error) => end(0, error.message.replace(/\s+/g, '_'), '-'));
  call.once('response', (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      body += text;
    });
    response.once('error', (error) => end(0, `body:${error.message.replace(/\s+/g, '_')}`, '-'));
    response.once('end', () => {
      const status = response.statusCode ?? 0;
      end(status, status < 400 ? '-' : codeOf(body), String(response.headers['x-origin'] ?? '-'));
    });
  });
  call.end(method === 'POST' ? payload : undefined);
}

function finish(): void {
  if (stopping && ended === sent) process.exit(0);
}

const begun = performance.now();
const pace = setInterval(() => {
  const due = ((performance.now() - begun) * rate) / 1000;
  while (sent < due) send(sent++);
}, 2);
process.stdin.resume().once('end', () => {
  clearInterval(pace);
  stopping = true;
  finish();
});
process.stdout.write('loading\n');
