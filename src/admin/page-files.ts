import type { Answer } from './answer.ts';
import { readPageFile } from './page-source.ts';
import { PAGES } from './pages.ts';

/**
 * The page may run its own script, wear its own style and ask its own origin; nothing else. Text never becomes markup: the
 * browser refuses every call that would make it.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
};

/** The files of the status page beside the page itself, by path. */
const TYPES: Readonly<Record<string, string>> = {
  '/page.js': 'text/javascript; charset=utf-8',
  '/page.css': 'text/css; charset=utf-8',
  '/icon.svg': 'image/svg+xml',
};

/** A file that the status page loads; 404 where the page is not built. */
export function pageFile(path: string): Answer {
  const body = readPageFile(path.slice(1));
  if (body === null) return { status: 404, contentType: 'text/plain; charset=utf-8', body: `${NOT_BUILT}\n` };
  return { status: 200, contentType: TYPES[path] ?? 'text/plain; charset=utf-8', headers: PAGE_HEADERS, body };
}

/** The page at `/`: the status page, under it links to the other paths, which are all that is seen without JavaScript. */
export function indexPage(): Answer {
  const built = readPageFile('index.html');
  const links = PAGES.map(({ path, words }) => `<li><a href="${path.slice(1)}">${path}</a> ${words}</li>`).join('\n');
  return {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    headers: PAGE_HEADERS,
    body: (built ?? FALLBACK).replace('<!--links-->', links),
  };
}

const NOT_BUILT = 'The status page is not built: make build';

const FALLBACK = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>carpool</title></head>
<body>
<h1>carpool</h1>
<p>${NOT_BUILT}</p>
<ul>
<!--links-->
</ul>
</body>
</html>
`;
