/** What the operator port serves, in the order of its index page. */
export const PAGES: readonly { readonly path: string; readonly words: string }[] = [
  { path: '/metrics', words: 'Prometheus and OpenMetrics' },
  { path: '/stats', words: 'all pools as JSON; ?destination=host:port for one' },
  { path: '/health', words: 'pools, discovery, memory, event loop' },
  { path: '/health/connections', words: 'connections by destination and state' },
  { path: '/health/destinations', words: 'where endpoints come from and how each stands' },
  {
    path: '/health/circuit-breakers',
    words: 'breakers of destinations, and endpoints that are ejected after failures',
  },
  { path: '/livez', words: '200 while the process answers' },
  { path: '/readyz', words: '200 while requests are taken, 503 while starting or stopping' },
  { path: '/debug/latency', words: 'connect and response time by endpoint' },
  { path: '/debug/memory', words: 'heap, buffers, limits' },
  { path: '/debug/config', words: 'the configuration in force, secrets masked' },
];

/** No script, no style, no frame, no request to anywhere: the page is a list of links. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
};

/** The page at `/`. */
export function indexPage(version: string, state: string): string {
  const items = PAGES.map(({ path, words }) => `<li><a href="${path}">${path}</a> ${words}</li>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>carpool</title></head>
<body>
<h1>carpool ${escapeHtml(version)}</h1>
<p>State: ${escapeHtml(state)}</p>
<ul>
${items}
</ul>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
