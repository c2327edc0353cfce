import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isPeer } from './peers/peer.ts';
import { claimsReport } from './pooling/claims.ts';
import { connectionTimeUs, measurePooling, type PoolingPlan, type PoolingRow } from './pooling/measure-pooling.ts';
import { variantsOf } from './pooling/variants.ts';
import { Children, findProgram, pinSelf } from './rig/children.ts';
import { machine } from './rig/machine.ts';
import { OriginConnections, startOrigins } from './rig/origins.ts';

const USAGE = `The same proxy with its pool and without, in turns: what pooling itself is worth.
  --rounds N         rounds (default 5)
  --seconds N        seconds of each measurement (default 5)
  --rate N           requests per second of the open loop that latency is taken from (default 500)
  --origin KIND      plain or tls (default plain)
  --subject NAME     carpool or undici (default carpool)
  --entry FILE       another build of carpool than dist/carpool.js
  --json FILE        every row
  --quick            one round of a second, to see that it works`;

/** `make bench-pooling`. See docs/benchmarks.md. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rate: { type: 'string', default: '500' },
      origin: { type: 'string', default: 'plain' },
      subject: { type: 'string', default: 'carpool' },
      entry: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  if (findProgram('wrk') === null) throw new Error('wrk is missing: run bench/setup.sh');
  if (values.origin !== 'plain' && values.origin !== 'tls') throw new Error('--origin is plain or tls');
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  const plan: PoolingPlan = {
    tls: values.origin === 'tls',
    rate: Number(values.rate),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 5)),
    warmFactor: values.quick ? 0 : 1,
  };
  pinSelf();
  const children = new Children();
  const { certificate } = await startOrigins(children);
  if (plan.tls && certificate === null) throw new Error('no certificate for the TLS origin: openssl is missing');
  const variants = variantsOf(values.subject, certificate, values.entry);
  if (variants === null) throw new Error(`${values.subject} has no variant without a pool`);
  const { pooled, unpooled } = variants;
  if (!isPeer(pooled) || !isPeer(unpooled)) {
    return console.log(`# pooling is left out: ${isPeer(pooled) ? '' : pooled.missing}`);
  }

  const connections = new OriginConnections();
  const connectUs = await connectionTimeUs(plan.tls);
  const rows: { with: PoolingRow[]; without: PoolingRow[] } = { with: [], without: [] };
  for (let round = 0; round < rounds; round++) {
    rows.with.push(tell('with', await measurePooling(children, pooled, connections, plan, round)));
    rows.without.push(tell('without', await measurePooling(children, unpooled, connections, plan, round)));
  }
  const what = `${values.subject}, ${values.origin} origin over loopback, ${plan.rate} requests/s, ${rounds} rounds`;
  console.log(`\n## pooling: ${what}\n\n${claimsReport(rows.with, rows.without, connectUs)}`);
  console.log('\nLoopback has no round-trip time: a new connection costs far more where there is one.');
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ at: new Date(), machine: machine(), plan, rows })}\n`);
}

function tell(variant: string, row: PoolingRow): PoolingRow {
  console.error(`.. pooling ${variant} ${JSON.stringify(row)}`);
  return row;
}

try {
  await main();
  process.exit(0);
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exit(1);
}
