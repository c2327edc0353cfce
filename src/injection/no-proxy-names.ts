/** One entry of NO_PROXY: a name, a suffix, an address (with a port), or a variable that the kubelet puts in. */
export const NO_PROXY_ENTRY = /^(\$\([A-Za-z_][A-Za-z0-9_]*\)|[A-Za-z0-9.*_:/[\]-]+)$/;

/**
 * What never goes through a proxy: loopback, the clouds' metadata services, the API server. No ranges: not all clients know them.
 * @param apiServer its address, or empty
 */
export function neverProxied(apiServer: string): readonly string[] {
  return [
    'localhost',
    '127.0.0.1',
    '::1',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    'metadata.google.internal',
    ...(apiServer === '' ? [] : [apiServer]),
    'kubernetes.default.svc',
  ];
}

/** The kubelet puts the address in. */
const ALWAYS = neverProxied('$(KUBERNETES_SERVICE_HOST)');

/** The names of NO_PROXY in a stable order, none twice. */
export function noProxyNames(...more: readonly (readonly string[])[]): readonly string[] {
  return [...new Set([...ALWAYS, ...more.flat()])];
}

/** Every list of NO_PROXY begins so, whatever version has made it. */
const BEGINNING = `${ALWAYS.slice(0, 4).join(',')},`;

/** Whether injection has made this list, of whatever settings. */
export function isInjectedNoProxy(list: string): boolean {
  return list.startsWith(BEGINNING);
}

/** The same for Java's `http.nonProxyHosts`: separated by bars, `*` before a suffix, brackets around IPv6. */
export function javaNonProxyHosts(names: readonly string[]): string {
  return names
    .map((name) => {
      if (name.startsWith('.')) return `*${name}`;
      return /^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/.test(name) ? `[${name}]` : name;
    })
    .join('|');
}
