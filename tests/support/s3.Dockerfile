# An S3 stand-in on the engine's own network, where the function's container reaches it by its address. One on this
# machine would have to listen on more than 127.0.0.1 for that.
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG MOTO
RUN pip install --no-cache-dir "moto[dynamodb,s3,server]==${MOTO}"
USER nobody
ENTRYPOINT ["moto_server", "--host", "0.0.0.0", "--port", "5000"]
