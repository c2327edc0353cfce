/** The written part of docs/configuration.md; what stands in double braces is filled in from the schema. */
export const INTRODUCTION = `# Configuration

<!-- Made from src/config by \`node src/config/generate-docs.ts\`: change it there. -->

carpool runs without any configuration. What it does then is meant to break no call that worked before; everything below
is there to make it tighter, or to fit one destination.

\`\`\`yaml
# yaml-language-server: $schema=./configuration.schema.json
profile: production
listener: { host: 127.0.0.1, port: 14140 } # HTTP_PROXY=http://127.0.0.1:14140
operator: { host: "::", port: 14191 } # metrics, probes, status page; read only
control: { socket: /run/carpool/control.sock }
security:
  allowAddresses: [] # e.g. [127.0.0.0/8] for a demo on loopback
  connectPorts: [443, 80, 8080, "1024-65535"]
discovery:
  dns: { minTtl: 5s, maxTtl: 60s }
defaults: # every destination that does not say otherwise
  balancer: p2c
  pool: { maxConnections: 1024 }
  timeouts: { connect: 10s }
destinations:
  - match: "orders.shop:8080" # host[:port], as the app calls it; * stands for one label
    pool: { maxConnections: 20, maxAge: 2m }
  - match: "legacy:9000"
    name: legacy # its label in metrics
    endpoints: ["10.0.0.5:9000", "10.0.0.6:9000"] # fixed, no DNS
    localPort: 14151 # http://127.0.0.1:14151 for apps that honour no proxy variable
    preset: classic
  - match: "api.openai.com:443"
    name: openai
    localPort: 14152 # http://127.0.0.1:14152 → https://api.openai.com
    tls: { originate: true } # ca, cert, key, serverName, minVersion
telemetry: { logLevel: info, accessLog: off }
shutdown: { grace: 30s }
\`\`\`

\`carpool check FILE\` says whether carpool would run with a file, and ends with 0 or 78. Every problem is told at once,
one on a line, with its place, its path, what is there and what is allowed:

\`\`\`
carpool.yaml:3:9: defaults.pool.maxAge is 30: a duration needs its unit: write 30s or 30ms (units are ms, s, m, h)
carpool.yaml:6:5: destinations[0].pool.maxConections is no setting; did you mean maxConnections?
\`\`\`

## Where values come from

Later ones win:

1. the defaults
2. the profile, then the preset of \`defaults\`
3. the file: YAML, at most 1 MiB, named by \`--config FILE\` or the variable \`CARPOOL_CONFIG\`; or by
   \`CARPOOL_CONFIG_IF_PRESENT\`, and then it may be missing, and is read when it appears (an optional ConfigMap)
4. environment variables
5. flags: \`--set path=value\` for any setting, and \`--profile\`, \`--port\`, \`--log-level\`

An entry of \`destinations\` starts from \`defaults\` as all of these left it, then takes its own preset, then what is written
in it.

The variable of a setting is \`CARPOOL_\` and its path in capitals, without \`defaults\`: \`defaults.pool.maxConnections\` is
\`{{variable}}\`. Lists are written with commas, \`none\` stands for no value or an empty list, and an empty
variable counts as not set. Some settings are also read from the names that pooling guides use (\`HTTP_MAX_CONNECTIONS\` and
so on, times in seconds); our own name wins where both are set. A variable that begins with \`CARPOOL_\` and belongs to no
setting is a warning, except for those that Kubernetes makes for Services.

### Profiles

{{profiles}}

### Presets

A preset is a set of values for \`defaults\` or for one destination (\`preset: classic\`). What is written beside it wins.

{{presets}}

## TLS to upstreams

carpool opens TLS where a request asks for \`https://\` in absolute form, and for destinations with \`tls.originate: true\`, whose
requests come in clear: by their local port, or to \`http://\`. So calls to HTTPS APIs share connections, and pay no handshake each.
What an app sends through CONNECT to a TLS port stays between it and the server.

\`\`\`yaml
destinations:
  - match: "api.example.com" # base URL http://127.0.0.1:14160; port 443, for it is TLS
    localPort: 14160
    tls: { originate: true }
  - match: "billing.shop:8443" # a private CA, and a certificate of our own (mTLS)
    tls:
      originate: true
      ca: /etc/carpool/tls/ca.crt
      cert: /etc/carpool/tls/tls.crt
      key: /etc/carpool/tls/tls.key
  - match: "10.0.0.9:6514" # called by its address, while its certificate has a name
    tls: { originate: true, serverName: ingest.example.com }
\`\`\`

- The server's certificate is always verified: its chain up to a CA of \`tls.ca\` (else those that Node brings, and those of
  NODE_EXTRA_CA_CERTS), its dates, and its name, which is that of the destination or \`tls.serverName\`. There is no setting that
  leaves this out.
- Files are read at the start, where one of no use is a problem of the configuration, and looked at again when a connection is opened,
  once a second at most. Mounted Secrets are followed without a restart: new connections use the new files, and resume no session of the
  old ones; open ones live on until their maxAge. While new files are of no use (a certificate whose key has not
  come yet), the old ones serve on and the log says so once.
- A reload that changes \`tls\` of a destination retires its connections: none of them serves a request under the new settings.
- Sessions are resumed, for each destination by itself. ALPN offers what \`protocol\` says: h2 and HTTP/1.1 with \`auto\`.

What is wrong with a handshake is told in the answer (TLS_FAILED), in the log, and by its code in
\`carpool_pool_connect_errors_total\`.

## Units

- Durations have a unit: \`250ms\`, \`30s\`, \`5m\`, \`1h\`, \`1m30s\`. Only 0 stands alone, and only where the table says what it means.
- Sizes: \`64KiB\`, \`1MiB\`, \`1GiB\` (also \`64Ki\` as in Kubernetes), or a number of bytes.
- Addresses of endpoints: \`10.0.0.5:9000\`, \`"[fd00::5]:9000"\`. Address ranges: \`127.0.0.0/8\`, \`fd00::/8\`.

## Changing it while it runs

carpool watches its file: an edit, another file moved over it, and the update of a mounted ConfigMap are all seen (a ConfigMap
that is mounted with \`subPath\` is never updated by Kubernetes). Requests that run are not disturbed. The log says what changed, old → new, in three
classes, which are also in the tables below:

- **at once**: in force from the next request on
- **new connections**: connections that are open keep the old value
- **restart**: read, and told again with each reload, but in force only when the container starts again

A file with a problem is refused whole: the last good configuration stays in force, and the log has every problem.
Variables and flags are those of the start.

## Checking while you type

[configuration.schema.json](configuration.schema.json) is a JSON Schema (2020-12). Editors with the YAML language server take it
from the comment in the first line of the example; give the path or the address where you keep the schema.

## Settings
`;
