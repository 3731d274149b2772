#!/bin/sh
# What the official image's entrypoint does, as far as docker-compose.yml relies on it.
set -e
if [ "$(id -u)" = 0 ]; then
  chown -R postgres:postgres "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$(mktemp)
  echo "${POSTGRES_PASSWORD:?}" > "$password"
  initdb --encoding=UTF8 --locale=C.UTF-8 --username="$user" --pwfile="$password" \
    --auth=scram-sha-256 --auth-local=trust >/dev/null
  rm "$password"
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses=''" start >/dev/null
  [ "$database" = postgres ] || createdb --username="$user" "$database"
  pg_ctl --mode=fast --wait stop >/dev/null
fi
if [ "$1" = postgres ]; then
  shift
  set -- postgres -c listen_addresses='*' "$@"
fi
exec "$@"
