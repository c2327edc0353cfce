import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { type Answer, type Client, DEADLINE_MS } from './plan.ts';

const SAY = ['--silent', '--show-error', '--no-buffer', '--max-time', String(DEADLINE_MS / 1000)];

/** curl, a process for each request, as scripts run it. */
export function curlClient(): Client {
  const ask = async (args: readonly string[], release: string | null): Promise<Answer> => {
    const child = spawn('curl', [...SAY, '--write-out', ' %{http_code}', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    const complaint = text(child.stderr);
    let output = '';
    let wanted = release;
    for await (const piece of child.stdout) {
      output += String(piece);
      if (wanted !== null) await ask([wanted], null);
      wanted = null;
    }
    const [code] = await closed;
    if (code !== 0) throw new Error(await complaint);
    const end = output.lastIndexOf(' ');
    return { status: Number(output.slice(end + 1)), text: output.slice(0, end) };
  };
  return {
    get: (url) => ask([url], null),
    post: (url, body) => ask(['--data-binary', body, url], null),
    stream: (url, release) => ask([url], release),
  };
}
