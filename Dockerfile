# syntax=docker/dockerfile:1
# One image for user code, webserver, daemon and runs: they differ in their command alone.
# Pin the base by digest in your own registry: --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /opt/fallrisk
RUN python -m venv /opt/venv
# Dependencies first: this layer is made anew only when the lock changes.
COPY deploy/requirements.lock deploy/requirements.lock
RUN /opt/venv/bin/python -m pip install --require-hashes --no-deps --only-binary=:all: -r deploy/requirements.lock \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib
COPY pyproject.toml README.md LICENSE ./
COPY fallrisk_assets fallrisk_assets
COPY simulator simulator
COPY deploy deploy
# The signal kernels are compiled by a tiny day through the real jobs, which also shows that the image works.
RUN PYTHONPATH=/opt/fallrisk /opt/venv/bin/python -m fallrisk_assets.warm \
    && /opt/venv/bin/python -m compileall -q fallrisk_assets simulator

# Dagster makes this folder when it starts, in an image that nobody can write to.
RUN mkdir -p deploy/compose/logs deploy/aws/logs

FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 fallrisk \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fallrisk \
    && install -d -o 10001 -g 10001 -m 0750 /data /logs
# The authorities that sign the certificates of RDS (docs.aws.amazon.com: UsingWithRDS.SSL).
ADD --chmod=0644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /etc/ssl/rds/global-bundle.pem
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/fallrisk /opt/fallrisk
# Which dagster.yaml counts is told by DAGSTER_HOME: a folder of deploy/ that holds one.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/fallrisk \
    PYTHONUNBUFFERED=1 \
    ARROW_DEFAULT_MEMORY_POOL=jemalloc \
    FALLRISK_DATA=/data \
    DAGSTER_HOME=/opt/fallrisk/deploy/compose
WORKDIR /opt/fallrisk
USER 10001:10001
EXPOSE 4000 3000
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "fallrisk_assets.definitions", "--attribute", "defs"]
