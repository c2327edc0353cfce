import { isLoopback, showHostPattern } from './addresses.ts';
import type { Origin } from './layers.ts';
import { type Problem, reportProblem } from './problems.ts';
import { checkEgress, checkFleet, checkPolicy, type Refuse, type Warn } from './resilience-check.ts';
import type { Config, DestinationConfig, PoolPolicy, TlsPolicy } from './types.ts';

/** Takes what is found. */
export type Findings = {
  readonly problems: Problem[];
  readonly warnings: string[];
  /** Where the value of a path was written. */
  readonly where: (path: string) => string;
  readonly provenance: ReadonlyMap<string, Origin>;
};

/**
 * What no setting can tell alone: values that exclude each other. A value that was wrong by itself has its default
 * here; what is said about such a pair is left out.
 * @param places index of each destination in the file's list
 */
export function crossCheck(config: Config, places: readonly number[], findings: Findings): void {
  const wrong = new Set(findings.problems.map((problem) => problem.path));
  const refuse = (paths: readonly string[], message: string): void => {
    const [path = ''] = paths;
    if (paths.some((each) => wrong.has(each))) return;
    reportProblem(findings.problems, { where: findings.where(path), path, message });
  };
  const warn: Warn = ([path = ''], message) => {
    findings.warnings.push(`${findings.where(path)}: ${path} ${message}`);
  };

  const { listener, control, discovery, limits } = config;
  if (!isLoopback(listener.host) && !listener.allowNonLoopback)
    refuse(
      ['listener.host', 'listener.allowNonLoopback'],
      `is ${listener.host}: whoever reaches it could send requests from here; use 127.0.0.1, or set listener.allowNonLoopback: true`,
    );
  if (control.port !== null && control.tokenFile === null)
    refuse(['control.port', 'control.tokenFile'], 'needs control.tokenFile: commands on a port must carry a token');
  if (discovery.dns.minTtlMs > discovery.dns.maxTtlMs)
    refuse(['discovery.dns.minTtl', 'discovery.dns.maxTtl'], 'is longer than discovery.dns.maxTtl');
  if (config.destinations.length > limits.destinations)
    refuse(
      ['limits.destinations', 'destinations'],
      `is ${limits.destinations}, but the file has ${config.destinations.length} destinations`,
    );

  checkPorts(config, places, refuse);
  checkNames(config.destinations, places, refuse);
  checkPool(config.defaults.pool, 'defaults.pool', limits.maxConnections, refuse, warn);
  checkTls(config.defaults.tls, 'defaults.tls', refuse);
  // A default is nobody's word.
  const written = (path: string): boolean => (findings.provenance.get(path)?.kind ?? 'default') !== 'default';
  const checks = { refuse, warn, written };
  checkPolicy(config.defaults, 'defaults', checks);
  checkFleet(config, places, refuse, warn);
  checkEgress(config, checks);
  const given = [...findings.provenance.keys()];
  for (const [index, destination] of config.destinations.entries()) {
    const path = `destinations[${places[index]}]`;
    // What comes whole from `defaults` was told there. A path may be that of a group.
    const own = (paths: readonly string[]): boolean =>
      paths.some((each) => given.some((name) => name === each || name.startsWith(`${each}.`)));
    const ofOwn = (tell: (paths: readonly string[], message: string) => void) => {
      return (paths: readonly string[], message: string) => {
        if (own(paths)) tell(paths, message);
      };
    };
    checkPool(destination.policy.pool, `${path}.pool`, limits.maxConnections, ofOwn(refuse), ofOwn(warn));
    checkPolicy(destination.policy, path, { refuse: ofOwn(refuse), warn: ofOwn(warn), written });
    checkTls(destination.policy.tls, `${path}.tls`, ofOwn(refuse));
    if (destination.to !== null && destination.endpoints !== null)
      refuse(
        [`${path}.to`, `${path}.endpoints`],
        'stands beside endpoints: its requests can go to one of the two only',
      );
    if (destination.basePath !== '' && destination.localPort === null)
      warn([`${path}.basePath`], 'does nothing without localPort');
    if (destination.localPort !== null && destination.match.host.includes('*'))
      refuse(
        [`${path}.localPort`, `${path}.match`],
        `serves one destination, but match ${showHostPattern(destination.match)} names many`,
      );
  }
}

function checkPool(pool: PoolPolicy, path: string, all: number, refuse: Refuse, warn: Warn): void {
  if (pool.minConnections !== 'auto' && pool.minConnections > pool.maxConnections)
    refuse(
      [`${path}.minConnections`, `${path}.maxConnections`],
      `is ${pool.minConnections}, more than maxConnections (${pool.maxConnections})`,
    );
  if (pool.maxConnections > all)
    warn(
      [`${path}.maxConnections`],
      `is ${pool.maxConnections}, but limits.maxConnections allows ${all} for all destinations together`,
    );
}

/** A certificate is of no use without its key, nor the key without the certificate. */
function checkTls(tls: TlsPolicy, path: string, refuse: Refuse): void {
  if ((tls.cert === null) === (tls.key === null)) return;
  const [there, missing] = tls.cert === null ? ['key', 'cert'] : ['cert', 'key'];
  refuse([`${path}.${there}`, `${path}.${missing}`], `needs ${path}.${missing} beside it`);
}

/** Each listening port can be one thing only, whatever the addresses: people would mix them up. */
function checkPorts(config: Config, places: readonly number[], refuse: Refuse): void {
  const ports: [string, number][] = [['listener.port', config.listener.port]];
  if (config.operator.enabled) ports.push(['operator.port', config.operator.port]);
  if (config.control.port !== null) ports.push(['control.port', config.control.port]);
  for (const [index, { localPort }] of config.destinations.entries())
    if (localPort !== null) ports.push([`destinations[${places[index]}].localPort`, localPort]);
  const taken = new Map<number, string>();
  for (const [path, port] of ports) {
    const other = taken.get(port);
    if (other !== undefined && port !== 0) refuse([path, other], `is ${port}, and so is ${other}`);
    else taken.set(port, path);
  }
}

/** No two destinations for the same name, and no two with the same label. */
function checkNames(destinations: readonly DestinationConfig[], places: readonly number[], refuse: Refuse): void {
  const matches = new Map<string, string>();
  const labels = new Map<string, string>();
  for (const [index, destination] of destinations.entries()) {
    const path = `destinations[${places[index]}]`;
    const match = showHostPattern(destination.match);
    const twin = matches.get(match);
    if (twin !== undefined) {
      refuse([`${path}.match`], `is ${match}, and so is ${twin}.match`);
      continue;
    }
    matches.set(match, path);
    const label = destination.name ?? match;
    const namesake = labels.get(label);
    if (namesake === undefined) labels.set(label, path);
    else refuse([`${path}.name`], `is ${label}, the label of ${namesake} too`);
  }
}
