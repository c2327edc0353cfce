import { request } from 'node:http';
import type { Carpool } from './carpool.ts';

/** One GET through the sidecar, in absolute form. @returns its status and the origin that answered, or the error's code */
export function ask(carpool: Carpool, host: string): Promise<{ readonly status: number; readonly by: string }> {
  return new Promise((resolve, reject) => {
    const call = request({
      port: carpool.port,
      host: '127.0.0.1',
      path: `http://${host}/`,
      headers: { host },
      agent: false,
    });
    call.once('error', reject);
    call.once('response', (response) => {
      let body = '';
      response.on('data', (bytes: Buffer) => {
        body += bytes.toString();
      });
      response.once('end', () => {
        const code = /"code":"(\w+)"/.exec(body)?.[1] ?? '';
        resolve({ status: response.statusCode ?? 0, by: String(response.headers['x-origin'] ?? code) });
      });
    });
    call.end();
  });
}
