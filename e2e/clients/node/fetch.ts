import { type Answer, type Client, DEADLINE_MS } from './plan.ts';

/** What both fetches have in common. */
type Asked = { readonly method?: string; readonly body?: string; readonly signal: AbortSignal };
type Got = {
  readonly status: number;
  readonly body: { getReader(): { read(): Promise<{ readonly done: boolean; readonly value?: unknown }> } } | null;
};
type Fetch = (url: string, asked: Asked) => Promise<Got>;

/** Node's own fetch, or one like it. */
export function fetchClient(fetch: Fetch): Client {
  const ask = async (url: string, release: string | null, body?: string): Promise<Answer> => {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const answer = await fetch(url, body === undefined ? { signal } : { method: 'POST', body, signal });
    const pieces: Uint8Array[] = [];
    const reader = answer.body?.getReader();
    let wanted = release;
    for (let piece = await reader?.read(); piece !== undefined && !piece.done; piece = await reader?.read()) {
      if (piece.value instanceof Uint8Array) pieces.push(piece.value);
      if (wanted !== null) await ask(wanted, null);
      wanted = null;
    }
    return { status: answer.status, text: Buffer.concat(pieces).toString() };
  };
  return {
    get: (url) => ask(url, null),
    post: (url, body) => ask(url, null, body),
    stream: (url, release) => ask(url, release),
  };
}

/**
 * The package undici, which is not the one inside Node. It is loaded here and no sooner: it may change what Node's own does.
 * @param use its fetch; its fetch with its agent for proxy variables, as its documentation says; or Node's fetch beside it
 */
export async function undiciClient(use: 'as it is' | 'with its agent' | 'beside'): Promise<Client> {
  const undici = await import('undici');
  if (use === 'with its agent') undici.setGlobalDispatcher(new undici.EnvHttpProxyAgent());
  return fetchClient(use === 'beside' ? fetch : undici.fetch);
}
