#!/bin/sh
# What the official image's entrypoint does, as far as docker-compose.yml relies on it.
set -e
case "${1:-}" in -* | *.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis {} +
  exec setpriv --reuid redis --regid redis --clear-groups "$@" --protected-mode no
fi
exec "$@"
