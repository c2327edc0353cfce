import { readText } from '../config/config-file.ts';
import { askNameserver, type Rcode } from '../discovery/dns-query.ts';
import { isIpLiteral } from '../discovery/ip-address.ts';
import { clusterDomain, parseResolvConf, type ResolvConf, searchCandidates } from '../discovery/resolv-conf.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';

const TIMEOUT_MS = 3000;

/** What a nameserver's answer says about the nameserver. */
const UNFIT: Readonly<Partial<Record<Rcode, string>>> = {
  TIMEOUT: `does not answer within ${TIMEOUT_MS / 1000} s`,
  UNREACHABLE: 'cannot be reached',
  SERVFAIL: 'answers SERVFAIL',
  REFUSED: 'refuses to answer',
  NOTIMP: 'answers NOTIMP',
  FORMERR: 'answers FORMERR',
  BADRESP: 'answers what cannot be read',
};

const LOOK = 'Look at the pods of cluster DNS (kube-system) and at network policies for port 53, UDP and TCP.';

/**
 * The resolver's configuration, and each nameserver in it.
 * @param hosts names that the user asked about; looked up where there is no cluster
 */
export async function checkDns(
  { config, clock, env }: DoctorContext,
  hosts: readonly string[],
  findings: FindingSink,
): Promise<void> {
  const file = config.discovery.dns.resolvConf;
  const read = readText(file);
  if ('refused' in read) {
    findings.fail(
      `${file}: ${read.refused}`,
      'No name can be looked up without it: mount one, or name another with discovery.dns.resolvConf.',
    );
    return;
  }
  const conf = parseResolvConf(read.text);
  const inCluster = (env.KUBERNETES_SERVICE_HOST ?? '') !== '';
  describe(file, read.text, conf, inCluster, findings);
  const name = question(conf, inCluster, hosts);
  const answers = await Promise.all(
    conf.nameservers.map(async (server) => {
      const began = clock.now();
      const { rcode } = await askNameserver(server, name, 4, TIMEOUT_MS, clock).reply;
      return { server, rcode, ms: Math.round(clock.now() - began) };
    }),
  );
  const useless = answers.every(({ rcode }) => UNFIT[rcode] !== undefined);
  for (const { server, rcode, ms } of answers) {
    const unfit = UNFIT[rcode];
    if (unfit !== undefined) {
      if (useless) findings.fail(`nameserver ${server} ${unfit}`, LOOK);
      else findings.warn(`nameserver ${server} ${unfit}; another one does`, `Lookups may wait for it. ${LOOK}`);
    } else if (rcode === 'NXDOMAIN' && name.startsWith('kubernetes.default.svc.'))
      findings.warn(
        `nameserver ${server} does not know ${name}`,
        'It is not the DNS of this cluster, or the search list of resolv.conf names another cluster domain: look at dnsPolicy and dnsConfig of the pod.',
      );
    else findings.ok(`nameserver ${server} answers about ${name} (${ms} ms)`);
  }
}

function describe(file: string, text: string, conf: ResolvConf, inCluster: boolean, findings: FindingSink): void {
  if (!/^\s*nameserver\s/m.test(text)) {
    findings.warn(`${file} names no nameserver, so 127.0.0.1 is asked`, 'Add a nameserver line, or set dnsPolicy.');
    return;
  }
  if (inCluster && !conf.search.some((domain) => domain.startsWith('svc.'))) {
    findings.warn(
      `${file} has no cluster domain in its search list: DNS does not find short names such as orders.shop`,
      'Set dnsPolicy: ClusterFirst (with hostNetwork: ClusterFirstWithHostNet), or add the search list in dnsConfig.',
    );
    return;
  }
  const search = conf.search.length === 0 ? 'no search list' : `search ${conf.search.join(' ')}`;
  findings.ok(`${file}: nameserver ${conf.nameservers.join(', ')}; ${search}; ndots ${conf.ndots}`);
}

/** A name that a nameserver should be able to say something about; that it is not there is an answer too. */
function question(conf: ResolvConf, inCluster: boolean, hosts: readonly string[]): string {
  if (inCluster) return `kubernetes.default.svc.${clusterDomain(conf)}`;
  const [name] = hosts.filter((host) => !isIpLiteral(host)).flatMap((host) => searchCandidates(host, conf));
  return name ?? 'localhost';
}
