// Runs in the pod of `helm test`: five requests through the sidecar to a server in this container.
const http = require('node:http');

function end(code, text) {
  console.log(text);
  process.exit(code);
}

const { HTTP_PROXY, OPERATOR_PORT, POD_IP } = process.env;
if (!HTTP_PROXY) {
  end(
    1,
    'No HTTP_PROXY here: the webhook has not injected this pod. See its logs, and the API server’s ("failed calling webhook").',
  );
}
const proxy = new URL(HTTP_PROXY);
let connections = 0;
const server = http.createServer((_, response) => response.end('ok'));
server.on('connection', () => {
  connections++;
});

/** Each call on a connection of its own, as apps without keep-alive do it. */
function get(options) {
  return new Promise((resolve, reject) => {
    const call = http.get({ ...options, agent: false, timeout: 10_000 }, (response) => {
      let body = '';
      response.on('data', (text) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 10 s'))).on('error', reject);
  });
}

async function run() {
  const host = `${POD_IP.includes(':') ? `[${POD_IP}]` : POD_IP}:${server.address().port}`;
  for (let nth = 1; nth <= 5; nth++) {
    const { status, body } = await get({
      host: proxy.hostname,
      port: proxy.port,
      path: `http://${host}/`,
      headers: { host },
    });
    if (status !== 200) end(1, `Request ${nth} got ${status}: ${body}`);
  }
  const stats = await get({ host: '127.0.0.1', port: OPERATOR_PORT, path: '/stats' });
  const seen = JSON.parse(stats.body).destinations.some(({ name }) => name === host);
  if (!seen) end(1, `The proxy at ${HTTP_PROXY} is not carpool: it knows nothing of these requests.`);
  end(0, `Injected: five requests went through the sidecar, over ${connections} connection(s) to the server.`);
}

server.listen(0, POD_IP, () => run().catch((error) => end(1, `No answer by ${HTTP_PROXY}: ${error.message}`)));
