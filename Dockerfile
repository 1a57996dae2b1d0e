# The engine over external PostgreSQL, RabbitMQ and Redis. The embedded parts (EMBEDDED=1) are left out of the image.

# Compiles. The optional packages are the embedded PostgreSQL, a Node for old hosts and native lint tools: tsc needs none.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=optional --ignore-scripts
COPY . .
RUN npm run build

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Dispatch Engine" \
      org.opencontainers.image.description="Self-hosted notification engine: nothing accepted is ever lost." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# 16 threads: name look-ups share this pool, and with the default of 4 one slow resolver would stall every send.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=16

WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist

# The user `node`, as a number: Kubernetes can then verify that it is not root.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM

# Liveness only: an engine whose dependency is away must not be restarted for it. The slim image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.API_PORT || process.env.APP_PORT || process.env.PORT || 8080}/livez`, { signal: AbortSignal.timeout(2000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# Exec form: node itself gets SIGTERM and drains.
CMD ["node", "--enable-source-maps", "dist/cmd/dispatch/main.js"]
