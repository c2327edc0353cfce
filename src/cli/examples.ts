import type { Command } from 'commander';

/** What stands under `Examples:` in the help of each command. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  run: ['carpool run --config carpool.yaml', 'carpool run --set defaults.pool.maxConnections=50 --log-level debug'],
  check: ['carpool check carpool.yaml'],
  stats: ['carpool stats', 'carpool stats --watch'],
  pools: ['carpool pools', 'carpool pools orders.shop:8080 --watch 2', 'carpool pools -o json'],
  connections: ['carpool connections orders.shop:8080'],
  endpoints: ['carpool endpoints orders.shop:8080 --watch'],
  events: [
    'carpool events orders.shop:8080 --since 10m',
    'carpool events --type endpoint --watch',
    'carpool events -o json --watch',
  ],
  errors: ['carpool errors', 'carpool errors orders.shop:8080'],
  config: ['carpool config pool', 'carpool config --changed'],
  watch: ['carpool watch', 'carpool watch orders.shop:8080 --interval 2'],
  wait: ['carpool wait --timeout 30s'],
  evict: ['carpool evict orders.shop:8080', 'carpool evict --idle'],
  pause: ['carpool pause orders.shop:8080'],
  resume: ['carpool resume orders.shop:8080'],
  reconnect: ['carpool reconnect orders.shop:8080'],
  reload: ['carpool reload'],
  'log-level': ['carpool log-level debug'],
  doctor: ['carpool doctor', 'carpool doctor orders.shop:8080 --environ /proc/1/environ'],
  inject: ['carpool inject -f deployment.yaml | kubectl apply -f -'],
  size: ['carpool size --rps 600 --latency-ms 80 --pods 3'],
  timeouts: ['carpool timeouts --network-ms 5 --provider-s 20'],
  advise: ['carpool advise orders.shop:8080 --for 1m'],
  completion: ['source <(carpool completion bash)', 'carpool completion zsh > ~/.zfunc/_carpool'],
  version: ['carpool version'],
  demo: ['carpool demo'],
};

/** Puts its examples under the help of each command that has some. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    const lines = EXAMPLES[command.name()];
    if (lines === undefined) continue;
    command.addHelpText('after', `\n${['Examples:', ...lines.map((line) => `  ${line}`)].join('\n')}`);
  }
}
