import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type net from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { certificates } from '../discovery/kubernetes/certificates.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

const run = promisify(execFile);

/** A server on a free port of 127.0.0.1, and the connections that it accepted. */
async function listening(t: Test, server: net.Server): Promise<{ port: number; connections: readonly net.Socket[] }> {
  const connections: net.Socket[] = [];
  server.on('connection', (socket: net.Socket) => connections.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  t.teardown(() => {
    server.close();
    for (const socket of connections) socket.destroy();
  });
  return { port: typeof address === 'object' && address !== null ? address.port : 0, connections };
}

/** Answers with the method, the URL, and how long the body was. */
function echo(request: http.IncomingMessage, response: http.ServerResponse): void {
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
  });
  request.on('end', () => response.end(`${request.method} ${request.url} ${length}`));
}

/** Runs a script in a process of its own, as an app whose variables lead to the sidecar. */
async function asApp(script: string, { port }: Sidecar, env: Record<string, string> = {}): Promise<string> {
  const proxy = `http://127.0.0.1:${port}`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    env: { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ...env },
  });
  return stdout;
}

t.test('Node’s fetch, which uses CONNECT for http:// too, shares the pool with all others', async (t) => {
  const origin = await listening(t, http.createServer(echo));
  const sidecar = await startSidecar(t);
  const url = `http://127.0.0.1:${origin.port}`;
  const script = `
    let said = '';
    for (let each = 0; each < 20; each++) said += await (await fetch('${url}/' + each)).text() + '|';
    said += await (await fetch('${url}/post', { method: 'POST', body: 'x'.repeat(300000) })).text();
    process.stdout.write(said);`;
  const expected = `${Array.from({ length: 20 }, (_, each) => `GET /${each} 0|`).join('')}POST /post 300000`;
  for (let app = 0; app < 3; app++) t.equal(await asApp(script, sidecar), expected);
  t.equal(origin.connections.length, 1, 'three processes, 63 requests, one connection');
  t.equal(sidecar.app.process().tunnels, 0);
  const stats = sidecar.app.destinations().find(({ name }) => name === `127.0.0.1:${origin.port}`);
  t.equal(stats?.endpoints[0]?.connections[0]?.requests, 63);
});

t.test('Node’s fetch at a server that is not there is told why', async (t) => {
  const sidecar = await startSidecar(t);
  const gone = await listening(t, http.createServer(echo));
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  const port = typeof address === 'object' && address !== null ? address.port : gone.port;
  const said = await asApp(
    `const answer = await fetch('http://127.0.0.1:${port}/'); process.stdout.write(answer.status + ' ' + (await answer.json()).code);`,
    sidecar,
  );
  t.equal(said, '502 CONNECT_FAILED');
});

t.test('Node’s fetch of https:// has an opaque tunnel, at a port of TLS and at any other', async (t) => {
  const { ca, cert, key } = await certificates();
  for (const tlsPorts of [['1-65535'], [443]]) {
    const server = https.createServer({ cert, key }, echo);
    const origin = await listening(t, server);
    let handshakes = 0;
    server.on('secureConnection', () => handshakes++);
    const sidecar = await startSidecar(t, { connect: { tlsPorts } });
    const caFile = `${sidecar.configFile}.ca.pem`;
    writeFileSync(caFile, ca);
    const script = `
      let said = '';
      for (let each = 0; each < 3; each++) said += await (await fetch('https://127.0.0.1:${origin.port}/' + each)).text() + '|';
      process.stdout.write(said);`;
    t.equal(await asApp(script, sidecar, { NODE_EXTRA_CA_CERTS: caFile }), 'GET /0 0|GET /1 0|GET /2 0|');
    t.ok(handshakes >= 1, 'TLS is between the app and its server');
    const { port } = origin;
    const stats = sidecar.app.destinations().find(({ name }) => name === `127.0.0.1:${port}`);
    t.equal(stats?.endpoints[0]?.connections.length, 0, 'nothing of it is pooled');
  }
});

const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'there is no curl here';
const CURL = ['--silent', '--show-error', '--max-time', '20', '--write-out', ' %{http_version}|'];

t.test('curl --proxytunnel is seen through, with large bodies both ways', { skip: noCurl }, async (t) => {
  const big = 'y'.repeat(3_000_000);
  const origin = await listening(
    t,
    http.createServer((request, response) => (request.url === '/big' ? response.end(big) : echo(request, response))),
  );
  const sidecar = await startSidecar(t);
  const url = `http://127.0.0.1:${origin.port}`;
  const curl = async (...args: string[]): Promise<string> => {
    const proxy = ['--proxytunnel', '--proxy', `http://127.0.0.1:${sidecar.port}`];
    return (await run('curl', [...CURL, ...proxy, ...args], { maxBuffer: 16_000_000 })).stdout;
  };
  t.equal(await curl(`${url}/1`, `${url}/2`), 'GET /1 0 1.1|GET /2 0 1.1|');
  t.ok((await curl(`${url}/big`)) === `${big} 1.1|`);
  const upload = `${sidecar.configFile}.body`;
  writeFileSync(upload, big);
  t.equal(await curl('--data-binary', `@${upload}`, `${url}/post`), 'POST /post 3000000 1.1|');
  t.equal(origin.connections.length, 1);
});

t.test('curl --http2-prior-knowledge inside CONNECT is seen through', { skip: noCurl }, async (t) => {
  const server = http2.createServer((request, response) => {
    response.end(`${request.method} ${request.url} ${request.httpVersion}`);
  });
  const origin = await listening(t, server);
  const sidecar = await startSidecar(t);
  const url = `http://127.0.0.1:${origin.port}`;
  const proxy = ['--http2-prior-knowledge', '--proxytunnel', '--proxy', `http://127.0.0.1:${sidecar.port}`];
  // One URL each: curl 7.88 cannot use an HTTP/2 connection inside CONNECT a second time, through any proxy.
  for (let each = 0; each < 3; each++) {
    const { stdout } = await run('curl', [...CURL, ...proxy, `${url}/${each}`]);
    t.equal(stdout, `GET /${each} 2.0 2|`);
  }
  t.equal(origin.connections.length, 1, 'three processes, one connection');
  t.equal(sidecar.app.process().tunnels, 0);
});
