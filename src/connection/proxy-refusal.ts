import type { Proxied } from '../discovery/discovery.ts';

/** Why a parent proxy did not do what it was asked for, in words for whoever reads the error. */
export type ProxyRefusal = {
  /** The metric label. */
  readonly code: 'PROXY_AUTH' | 'PROXY_DENIED' | 'PROXY_FAILED' | 'PROXY_PROTOCOL';
  readonly message: string;
  readonly hint: string;
  /** RFC 9209 section 2.3. */
  readonly proxyError: string;
};

export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** What the proxy's answer says, other than that it does as it was asked. @param asked `CONNECT`, or `the request` */
export function refusedWith(status: number, { host, port, proxy }: Proxied, asked: string): ProxyRefusal {
  const message = `the parent proxy ${proxy.url} answered ${asked} for ${bracketed(host)}:${port} with ${status}`;
  if (status === 407)
    return {
      code: 'PROXY_AUTH',
      message: `${message}: it wants ${proxy.credentials() === null ? '' : 'other '}credentials`,
      hint: `${
        proxy.credentials() === null
          ? 'Set egress.parentProxy.credentialsFile to a file with'
          : 'Correct what is in the file of egress.parentProxy.credentialsFile:'
      } user:password, or the whole value of Proxy-Authorization; NTLM and Negotiate are not known here.`,
      proxyError: 'http_request_denied',
    };
  if (status >= 400 && status < 500)
    return {
      code: 'PROXY_DENIED',
      message,
      hint: 'The rules of the parent proxy do not allow it: ask whoever runs it, or name the host in egress.parentProxy.noProxy where this pod may call it directly.',
      proxyError: 'http_request_denied',
    };
  return {
    code: 'PROXY_FAILED',
    message,
    hint: 'The parent proxy could not reach the host: look at its log; where this pod can reach the host itself, name it in egress.parentProxy.noProxy.',
    proxyError: 'destination_unavailable',
  };
}

/** It answered CONNECT in a way that cannot be read without doubt. */
export function unreadable({ proxy }: Proxied, rule: string): ProxyRefusal {
  return {
    code: 'PROXY_PROTOCOL',
    message: `the parent proxy ${proxy.url} answered CONNECT in a way that is not HTTP/1.1: ${rule}`,
    hint: 'Check that egress.parentProxy.url is the address of an HTTP proxy, and whether it is spoken to by TLS (https://).',
    proxyError: 'http_protocol_error',
  };
}
