import { once } from 'node:events';
import { Agent, type AgentOptions, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { type Answer, type Client, DEADLINE_MS } from './plan.ts';

/**
 * node:http and node:https.
 * @param agent null: the global one; `plain`: one of the app's own, as many libraries make it
 */
export function httpClient(agent: 'plain' | 'from the environment' | null): Client {
  const options: AgentOptions = {
    keepAlive: true,
    ...(agent === 'from the environment' && { proxyEnv: process.env }),
  };
  const agents = agent === null ? null : { http: new Agent(options), https: new TlsAgent(options) };

  const ask = async (url: string, release: string | null, body?: string): Promise<Answer> => {
    const tls = url.startsWith('https:');
    const sent = (tls ? tlsRequest : request)(url, {
      method: body === undefined ? 'GET' : 'POST',
      timeout: DEADLINE_MS,
      ...(agents !== null && { agent: tls ? agents.https : agents.http }),
    });
    sent.end(body);
    const [answer]: IncomingMessage[] = await once(sent, 'response');
    if (answer === undefined) throw new Error('no answer');
    let text = '';
    let wanted = release;
    for await (const piece of answer) {
      text += String(piece);
      if (wanted !== null) await ask(wanted, null);
      wanted = null;
    }
    return { status: answer.statusCode ?? 0, text };
  };
  return {
    get: (url) => ask(url, null),
    post: (url, body) => ask(url, null, body),
    stream: (url, release) => ask(url, release),
  };
}
