import type { Misuse } from '../../errors.ts';
import { neverProxied } from '../../injection/no-proxy-names.ts';
import type { MisuseSeen } from '../error-book.ts';
import { counted, lately } from '../number-words.ts';
import type { Finding, SidecarView } from '../types.ts';
import type { Rule } from './rule.ts';
import type { Sight } from './sight.ts';

/** What requests that come, and those that do not, tell of the app's proxy variables. */

/** A start takes its time; after that an app that has sent nothing is worth a look. */
const QUIET_MS = 60_000;
/** What has not come for so long may be over. */
const PAST_MS = 60_000;

/** How to look at the variables that the app has. */
function look({ kubernetes }: SidecarView): readonly string[] {
  return kubernetes === null
    ? ['carpool doctor --environ /proc/PID/environ']
    : [
        'kubectl exec POD -c APP -- env | grep -i proxy',
        'kubectl exec POD -c APP -- env | kubectl exec -i POD -c carpool -- carpool doctor --environ -',
      ];
}

/** The list that `carpool doctor` wants; the kubelet puts the address of the API server in. */
const noProxy = ({ kubernetes }: SidecarView): string =>
  neverProxied(kubernetes === null ? '' : '$(KUBERNETES_SERVICE_HOST)').join(',');

const variables = (sidecar: SidecarView): string =>
  `HTTP_PROXY=${sidecar.proxyUrl}\nHTTPS_PROXY=${sidecar.proxyUrl}\nNO_PROXY=${noProxy(sidecar)}`;

type Words = Pick<Finding, 'code' | 'severity' | 'title' | 'detail' | 'remedies'>;

/** What the app does, or did. */
function does({ agoMs }: MisuseSeen, now: string, then: string): string {
  return agoMs < PAST_MS ? now : then;
}

function last({ agoMs }: MisuseSeen): string {
  return `, the last ${agoMs < PAST_MS ? 'less than a minute ago' : lately(agoMs)}`;
}

const WORDS: Readonly<Record<Misuse, (seen: MisuseSeen, url: string) => Words>> = {
  tls: (seen, url) => ({
    code: 'proxy_spoken_tls',
    severity: 'error',
    title: `The app ${does(seen, 'speaks', 'spoke')} TLS to the proxy: ${counted(seen.count, 'connection')} began with a TLS handshake${last(seen)}`,
    detail: `Its HTTPS_PROXY (or HTTP_PROXY, or a base URL of a local port) begins with https://. The listener speaks plain HTTP; calls to https:// go through it as they are.`,
    remedies: [`Set HTTPS_PROXY to ${url}, with http://: the scheme is that of the proxy.`, 'HTTP_PROXY likewise.'],
  }),
  socks: (seen, url) => ({
    code: 'proxy_spoken_socks',
    severity: 'error',
    title: `The app ${does(seen, 'speaks', 'spoke')} SOCKS to the proxy: ${counted(seen.count, 'connection')} began with a SOCKS greeting${last(seen)}`,
    detail: 'Its ALL_PROXY (or HTTP_PROXY, HTTPS_PROXY) begins with socks. carpool is an HTTP proxy.',
    remedies: [`Set HTTP_PROXY and HTTPS_PROXY to ${url}, and ALL_PROXY to the same or not at all.`],
  }),
  server: (seen, url) => ({
    code: 'proxy_used_as_server',
    severity: 'error',
    title: `The app ${does(seen, 'calls', 'called')} carpool as if it were the server: ${counted(seen.count, 'request')}${last(seen)}`,
    detail: `They name a path alone, or carpool’s own address as their destination (the last: ${seen.lastMessage}). A base URL of the app points at the proxy.`,
    remedies: [
      `Set HTTP_PROXY to ${url}, and the app’s base URL to the upstream (http://orders.shop:8080).`,
      'A client that knows no proxy variables calls a local port: destinations[].localPort.',
      'Probes and Prometheus go to the operator port, not to this one.',
    ],
  }),
  operator_port: (seen, url) => ({
    code: 'proxy_is_operator_port',
    severity: 'error',
    title: `The app ${does(seen, 'sends', 'sent')} its requests to the operator port: ${counted(seen.count, 'request')}${last(seen)}`,
    detail: 'Its HTTP_PROXY or HTTPS_PROXY has the port for probes and metrics, which passes nothing on.',
    remedies: [`Set HTTP_PROXY and HTTPS_PROXY to ${url}.`],
  }),
  loopback: (seen) => ({
    code: 'no_proxy_lacks_host',
    severity: 'error',
    title: `The app ${does(seen, 'calls', 'called')} its own pod through the proxy: ${counted(seen.count, 'request')} refused (DESTINATION_DENIED)${last(seen)}`,
    detail: `The last: ${seen.lastMessage}. Its NO_PROXY lacks localhost or 127.0.0.1, or its client does not read NO_PROXY.`,
    remedies: [
      'Add localhost,127.0.0.1,::1 to NO_PROXY (and no_proxy) in the app.',
      'Where its client knows no NO_PROXY, set security.allowLoopback: true.',
    ],
  }),
};

/** What is to be set, and how to look at what is set. */
function linesFor(kinds: readonly Misuse[], sidecar: SidecarView): readonly string[] {
  const list = noProxy(sidecar);
  if (kinds.every((kind) => kind === 'loopback')) return [`NO_PROXY=${list}\nno_proxy=${list}`, ...look(sidecar)];
  const all = kinds.includes('socks') ? `\nALL_PROXY=${sidecar.proxyUrl}` : '';
  return [`${variables(sidecar)}${all}`, ...look(sidecar)];
}

/** What of the last ten minutes shows that a variable is wrong. The lines are the same for all, and stand under the first. */
const misused: Rule = ({ misuses, sidecar }) => {
  const recent = misuses.filter(({ lastTenMinutes }) => lastTenMinutes > 0);
  const kinds = recent.map(({ kind }) => kind);
  return recent.map((seen, i) => ({
    destination: null,
    ...WORDS[seen.kind](seen, sidecar.proxyUrl),
    lines: i === 0 ? linesFor(kinds, sidecar) : [],
  }));
};

/** Nothing has come since the start. */
const noRequests: Rule = (sight) => {
  const { sidecar, requestSeen, misuses } = sight;
  if (requestSeen || sidecar.uptimeMs < QUIET_MS || sidecar.state !== 'ready' || misuses.length > 0) return [];
  const { proxyUrl } = sidecar;
  return [
    {
      code: 'no_requests',
      severity: 'warning',
      destination: null,
      title: `No request has come since the start, ${minutes(sidecar.uptimeMs)} ago`,
      detail: `${connections(sight)} The app makes no calls, or its proxy variables do not lead here.`,
      remedies: [
        `Set HTTP_PROXY and HTTPS_PROXY (and the lower-case ones) to ${proxyUrl} in the app’s container.`,
        'Look at NO_PROXY: * or a suffix such as .svc keeps calls from the proxy.',
        'Node’s fetch needs NODE_USE_ENV_PROXY=1; docs/clients.md tells what other clients need.',
        'If the app simply makes no calls yet, nothing is wrong.',
      ],
      lines: [variables(sidecar), ...look(sidecar)],
    },
  ];
};

function connections({ sidecar }: Sight): string {
  const open = sidecar.downstreamConnections;
  return open === 0
    ? 'No connection of the app is open.'
    : `${counted(open, 'connection')} of the app open, and silent.`;
}

function minutes(ms: number): string {
  const whole = Math.floor(ms / 60_000);
  return whole < 120 ? counted(whole, 'minute') : counted(Math.floor(whole / 60), 'hour');
}

export const PROXY_RULES = { misused, noRequests };
