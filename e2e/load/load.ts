import { Requests } from './requests.ts';

/**
 * An app under load, in a process of its own: requests come when they are due, whether earlier ones have been answered
 * or not (an open loop), by the proxy.
 *
 *   node load.ts PROXY-PORT LEDGER RATE POST-SHARE PREFIX QUERY HOST...
 *
 * It ends, after the last answer, when its standard input ends. requests.ts says what it writes down.
 */
const [proxyPort = '', ledger = '', rate = '', postShare = '', prefix = '', query = '', ...hosts] =
  process.argv.slice(2);

let stopping = false;
const proxy = { host: '127.0.0.1', port: Number(proxyPort) };
const requests = new Requests({ proxy, ledger, postShare: Number(postShare), prefix, query, hosts }, finish);

function finish(): void {
  if (stopping && requests.open === 0) process.exit(0);
}

const begun = performance.now();
const pace = setInterval(() => {
  const due = ((performance.now() - begun) * Number(rate)) / 1000;
  while (requests.sent < due) requests.send();
}, 2);
process.stdin.resume().once('end', () => {
  clearInterval(pace);
  stopping = true;
  finish();
});
process.stdout.write('loading\n');
