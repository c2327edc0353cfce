import { COMMAND_AGENT } from '../command-agent.ts';
import { dialledHost, showHostPattern } from '../config/addresses.ts';
import { CarpoolError } from '../errors.ts';
import type { Fault } from '../protocol/field-facts.ts';
import type { Head } from '../protocol/head.ts';
import type { ListenerContext } from './listener-context.ts';

/**
 * What is said to apps whose proxy variable, or base URL, is set wrongly. All get a plain answer of HTTP/1.1, also those that
 * do not speak it. To a TLS client that is what helps most: it says "wrong version number" (OpenSSL, Node, curl), "your proxy
 * appears to only use HTTP" (Python's urllib3) or "server gave HTTP response to HTTPS client" (Go), where an alert would read as
 * a quarrel about TLS versions or certificates. A SOCKS client says that this is no SOCKS server; SOCKS's own refusal would
 * read as one about credentials.
 */

/**
 * @param local the destination of the local port that was spoken to, or null: the main port
 * @param proxyUrl what the proxy variables have to be
 */
export function spokenWrongly(
  { code, rule, spoken }: Fault,
  local: { readonly host: string; readonly port: number } | null,
  proxyUrl: string,
): CarpoolError {
  if (spoken === undefined) return new CarpoolError(code, rule);
  const port =
    local === null
      ? null
      : 'This is the local port of a destination: write http:// in the base URL of the app. carpool itself opens TLS to the upstream (tls.originate).';
  const hint =
    spoken === 'tls'
      ? (port ??
        `Set HTTPS_PROXY=${proxyUrl} in the app, with http://: the scheme is that of the proxy. Calls to https:// go through it as they are. ALL_PROXY and HTTP_PROXY likewise.`)
      : `Set HTTP_PROXY=${proxyUrl} and HTTPS_PROXY=${proxyUrl} in the app, and ALL_PROXY to the same or not at all: carpool is an HTTP proxy and speaks no SOCKS.`;
  return new CarpoolError(code, rule, { hint, misuse: spoken });
}

/**
 * What is said to a path alone at the main port: to an app, or to one of carpool's own commands whose --url is that of the listener,
 * which tells nothing of the app.
 */
export function pathAlone(
  head: Head,
  { config, proxyUrl }: Pick<ListenerContext, 'config' | 'proxyUrl'>,
): CarpoolError {
  if (userAgentOf(head) !== COMMAND_AGENT) return usedAsServer(proxyUrl);
  const { enabled, host, port } = config.operator;
  const url = `http://${showHostPattern({ host: dialledHost(host), port })}`;
  const elsewhere = enabled
    ? `the operator port is ${port === 0 ? 'another one (operator.port)' : url}`
    : 'the operator port is off (operator.enabled)';
  return new CarpoolError('BAD_REQUEST', `this is the listener; ${elsewhere}`, {
    hint: 'Commands are answered by the operator port (--url, CARPOOL_OPERATOR_URL) or the control socket (--socket).',
  });
}

/** Only where a request is refused: it makes strings. */
function userAgentOf(head: Head): string {
  for (let index = 0; index < head.fieldCount; index++)
    if (head.nameText(index).toLowerCase() === 'user-agent') return head.valueText(index);
  return '';
}

/** A path alone came to the main port: it was called as if it were the server. */
function usedAsServer(proxyUrl: string): CarpoolError {
  return new CarpoolError('BAD_REQUEST', 'a path alone does not say where the request is to go', {
    hint: `Set HTTP_PROXY=${proxyUrl} in the app so that it sends absolute URLs, and leave its base URL that of the upstream. Or call a local port of a destination (destinations[].localPort), or set listener.originForm: route. Probes and Prometheus go to the operator port.`,
    misuse: 'server',
  });
}
