# A moto server on the container engine's network, where the function's container can reach it. A server on this machine
# would have to listen on more than 127.0.0.1.
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG MOTO
RUN pip install --no-cache-dir "moto[dynamodb,s3,server]==${MOTO}"
USER nobody
ENTRYPOINT ["moto_server", "--host", "0.0.0.0", "--port", "5000"]
