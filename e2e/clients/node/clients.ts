import { curlClient } from './curl.ts';
import { fetchClient, undiciClient } from './fetch.ts';
import { grpcClient } from './grpc.ts';
import { httpClient } from './http.ts';
import { type Client, runPlan } from './plan.ts';

/**
 *   node clients.js CLIENT (OP URL COUNT)...
 */
function open(name: string): Client | Promise<Client> {
  switch (name) {
    case 'fetch':
      return fetchClient(fetch);
    case 'http':
      return httpClient(null);
    case 'http-own-agent':
      return httpClient('plain');
    case 'http-proxy-env-agent':
      return httpClient('from the environment');
    case 'undici':
      return undiciClient('as it is');
    case 'undici-env-proxy-agent':
      return undiciClient('with its agent');
    case 'fetch-beside-undici':
      return undiciClient('beside');
    case 'grpc-js':
      return grpcClient();
    case 'curl':
      return curlClient();
    default:
      throw new Error(`no client ${name}`);
  }
}

const [name = '', ...plan] = process.argv.slice(2);
await runPlan(await open(name), plan);
process.exit(0);
