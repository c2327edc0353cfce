/** How a client goes to an origin of HTTP: in absolute form, by CONNECT that is seen through, or past the proxy. */
type HttpForm = 'absolute' | 'CONNECT' | 'past';

/** A client, and what docs/clients.md says of it. */
export type HttpClient = {
  readonly name: string;
  /** Which pod: what its users have to ask for beside plain injection. */
  readonly pod: Pod;
  readonly http: HttpForm;
  readonly https: 'tunnel' | 'past';
};

/** The annotations that pods of clients have. */
export const PODS = {
  plain: {},
  https: { 'carpool.dev/https-proxy': 'true' },
  java: { 'carpool.dev/java': 'true' },
  both: { 'carpool.dev/java': 'true', 'carpool.dev/https-proxy': 'true' },
} as const;
type Pod = keyof typeof PODS;

const rows = (pod: Pod, http: HttpForm, https: HttpClient['https'], ...names: readonly string[]): HttpClient[] =>
  names.map((name) => ({ name, pod, http, https }));

/** The image has an older Node for one kind of machine. */
const older = (...names: readonly string[]): readonly string[] => (process.arch === 'x64' ? names : []);

export const HTTP_CLIENTS: readonly HttpClient[] = [
  ...rows('plain', 'absolute', 'past', 'curl', 'urllib', 'requests', 'httpx', 'aiohttp-trust-env', 'go', 'axios'),
  ...rows('plain', 'absolute', 'past', 'http', 'http-proxy-env-agent', ...older('http-node24')),
  // Without HTTPS_PROXY these take the other for what is https, too.
  ...rows('plain', 'absolute', 'tunnel', 'fetch', 'undici', 'undici-env-proxy-agent', 'fetch-beside-undici'),
  ...rows('plain', 'absolute', 'tunnel', ...older('undici-env-proxy-agent-node24')),
  ...rows('plain', 'CONNECT', 'tunnel', ...older('fetch-node24')),
  ...rows('plain', 'past', 'past', 'aiohttp', 'http-own-agent', 'java-http-client', 'java-url-connection'),
  ...rows('plain', 'past', 'past', ...older('undici-node24', 'fetch-beside-undici-node24')),
  ...rows('https', 'absolute', 'tunnel', 'curl', 'urllib', 'requests', 'httpx', 'aiohttp-trust-env', 'go', 'axios'),
  ...rows('https', 'absolute', 'tunnel', 'http', 'http-proxy-env-agent', 'fetch'),
  ...rows('https', 'past', 'past', 'http-own-agent'),
  ...rows('java', 'absolute', 'past', 'java-http-client', 'java-http-client-1.1', 'java-url-connection'),
  ...rows('both', 'absolute', 'tunnel', 'java-http-client', 'java-url-connection'),
];

export type GrpcClient = { readonly name: string; readonly pod: Pod; readonly through: boolean };

export const GRPC_CLIENTS: readonly GrpcClient[] = [
  { name: 'grpc-js', pod: 'plain', through: true },
  { name: 'grpcio', pod: 'plain', through: true },
  { name: 'grpc-go', pod: 'plain', through: false },
  { name: 'grpc-go', pod: 'https', through: true },
];
