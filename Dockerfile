# One image for the five services and their one-shot jobs; which of them a container is, its command says.
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PATH=/opt/venv/bin:$PATH

# Before the code, so that a change of code does not install them again.
COPY requirements.lock /recepta/
RUN python -m venv /opt/venv \
 && pip install --require-hashes -r /recepta/requirements.lock

RUN useradd --system --uid 10001 --home-dir /recepta recepta \
 && cd /var/lib && install -d -o recepta -g recepta -m 0700 \
    recepta recepta/gateway recepta/signing recepta/keys recepta/seed
COPY contracts /recepta/contracts
COPY shared /recepta/shared
COPY services /recepta/services
RUN python -m compileall -q /recepta

WORKDIR /recepta
USER recepta
