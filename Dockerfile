# The image of the sidecar and of its webhook: Node, what it loads, three files of JavaScript, and nothing else.
#
#   docker build -t carpool:0.1.0 .
#
# BASE may be any Debian with node, npm and apt-get. Optional secrets, for a network that needs them; none ends in a layer:
#   id=npmrc  npm's configuration (registry, token)
#   id=ca     certificates of a registry or proxy that public roots do not know
#   id=apt    lines of apt.conf
ARG BASE=docker.io/library/node:26.10.0-bookworm-slim
FROM ${BASE} AS build

RUN --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99build \
    apt-get update && apt-get install -y --no-install-recommends binutils

WORKDIR /carpool
COPY package.json package-lock.json .npmrc ./
# Of what serves development only what build.ts needs: a quarter of the packages.
RUN node -e "const fs = require('node:fs'), p = JSON.parse(fs.readFileSync('package.json')), { esbuild, preact } = p.devDependencies; \
    fs.writeFileSync('package.json', JSON.stringify({ ...p, devDependencies: { esbuild, preact } }))"
# Not npm ci, for the reason that the Makefile gives. Without scripts: they only fetch what the build does not use.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error

COPY LICENSE build.ts tsconfig.json ./
COPY src src
COPY image/gather.sh image/
# Seconds since 1970, the time of every file, so that the same sources make the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN node build.ts && image/gather.sh /image

FROM scratch
COPY --from=build /image /
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="carpool" \
      org.opencontainers.image.description="A sidecar proxy for Kubernetes pods: the app's outbound HTTP calls over pooled connections that never go stale" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# One arena: the threads of a sidecar allocate too little to be in each other's way, and each arena costs memory.
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    NODE_COMPILE_CACHE=/app/cache \
    MALLOC_ARENA_MAX=1
USER 65532:65532
ENTRYPOINT ["/usr/bin/node", "/app/carpool.js"]
CMD ["run"]
