# Limpet's images. `worker` runs everything but the browser: workers, beat, Flower, the
# command line. `render` adds a browser. `lab` is the demo's site and proxies.
#
#   docker build --target worker --tag limpet-worker .

FROM python:3.13-slim AS installer
ENV UV_LINK_MODE=copy UV_PYTHON=/opt/limpet/bin/python
WORKDIR /build
RUN python -m venv --without-pip /opt/limpet
COPY requirements.lock ./
# Of the lock, the installer alone: pip installs it, and it installs the rest. Only what
# is named comes in, in the versions of the lock, each file with one of its hashes.
RUN awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' \
      requirements.lock > uv.lock \
 && pip install --no-cache-dir --quiet --require-hashes --requirement uv.lock

FROM installer AS packages
COPY pyproject.toml ./
RUN uv pip install --quiet --no-cache --compile-bytecode --require-hashes \
      --constraint requirements.lock --requirement pyproject.toml \
      --extra postgres --extra s3 --extra curl

FROM packages AS browser-packages
RUN uv pip install --quiet --no-cache --require-hashes \
      --constraint requirements.lock --requirement pyproject.toml --extra render

FROM installer AS lab-packages
# Hashes of the lock count here too; `--require-hashes` takes no names without versions.
RUN uv pip install --quiet --no-cache --verify-hashes \
      --constraint requirements.lock backports.zstd brotli flask waitress

FROM python:3.13-slim AS code
COPY . /app
RUN rm -r /app/lab /app/requirements.lock /app/pyproject.toml \
 && python -m compileall -q --invalidation-mode unchecked-hash /app

FROM python:3.13-slim AS base
# Nobody but Limpet has this number, whatever else the machine runs.
RUN groupadd --gid 10001 limpet \
 && useradd --uid 10001 --gid limpet --no-create-home --home-dir /var/lib/limpet \
      --shell /usr/sbin/nologin limpet \
 && install --directory --owner limpet --group limpet --mode 0700 \
      /var/lib/limpet /srv/artifacts
ENV PATH=/opt/limpet/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LIMPET_STATE_DIR=/var/lib/limpet \
    LIMPET_ENV_FILE=/dev/null \
    LIMPET_PULSE_FILE=/tmp/pulse
WORKDIR /app

FROM base AS browser
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      chromium-headless-shell fonts-liberation >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM base AS lab
COPY --from=lab-packages /opt/limpet /opt/limpet
COPY lab /app/lab
USER limpet
CMD ["python", "-m", "lab.stand"]

FROM browser AS render
COPY --from=browser-packages /opt/limpet /opt/limpet
COPY --from=code /app /app
USER limpet
# A worker and beat say once in a while that they are at work; see limpet/pulse.py.
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --start-interval=3s \
  CMD ["python", "-m", "limpet.pulse"]
CMD ["celery", "-A", "tasks", "worker", "-n", "render@%h", "-Q", "render", "-c", "4", \
     "--without-gossip", "--without-mingle"]

# The last one is what `docker build .` makes.
FROM base AS worker
COPY --from=packages /opt/limpet /opt/limpet
COPY --from=code /app /app
USER limpet
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --start-interval=3s \
  CMD ["python", "-m", "limpet.pulse"]
CMD ["celery", "-A", "tasks", "worker", "-n", "worker@%h", "-Q", "scrape", \
     "--without-gossip", "--without-mingle"]
