import { parseArgs } from 'node:util';
import { OpenLoop } from './open-loop.ts';

/**
 * A process of its own for an open-loop load of GETs: prints the result as one line of JSON.
 * Use: open-loop-get.ts --port N --target URL --host H --rate N --seconds N [--connections N]
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    target: { type: 'string', default: '/' },
    host: { type: 'string', default: 'localhost' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '50' },
  },
});
const request = Buffer.from(`GET ${values.target} HTTP/1.1\r\nHost: ${values.host}\r\n\r\n`, 'latin1');
const result = await new OpenLoop({
  port: Number(values.port),
  rate: Number(values.rate),
  seconds: Number(values.seconds),
  warmSeconds: 1,
  connections: Number(values.connections),
  timeoutMs: 5000,
  request: () => request,
}).run();
console.log(JSON.stringify(result));
