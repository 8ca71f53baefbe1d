# The version that the requirements are locked with; runtime.txt names the same.
FROM python:3.11-slim AS builder

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
# Every package has a wheel: nothing is compiled, so no compiler is needed, and no code of a
# package runs while it is installed.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: --requirement requirements.txt


FROM python:3.11-slim

# A fixed id, so that a volume can be given to it.
RUN groupadd --system --gid 10001 herald \
    && useradd --system --uid 10001 --gid herald --no-create-home --shell /usr/sbin/nologin herald \
    && install --directory --owner herald --group herald --mode 0700 /var/lib/herald

COPY --from=builder /opt/venv /opt/venv
WORKDIR /srv/herald
COPY gunicorn.conf.py wsgi.py ./
COPY logger_lib logger_lib
COPY migrations migrations
COPY webapp webapp

# Gunicorn's heartbeat is a file; on the container's disk it could wait for others' writes.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HERALD_HOME=/var/lib/herald \
    GUNICORN_CMD_ARGS=--worker-tmp-dir=/dev/shm

USER 10001:10001
VOLUME /var/lib/herald
EXPOSE 1055
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health/live' % (os.environ.get('PORT') or 1055), timeout=4)"]

# Gunicorn takes SIGTERM and reaps its children as process 1. Herald's drain ends within 10 s: give
# it a little more, as in 'docker stop --time 20' or compose's stop_grace_period.
STOPSIGNAL SIGTERM
CMD ["gunicorn"]
