# The relay of `make build-production`: one static binary without a base image:
#   docker build -f deploy/kubernetes/parent-proxy.Dockerfile \
#     --build-arg BINARY=target/production/x86_64-unknown-linux-gnu/release/parent-proxy \
#     -t attested-random/parent-proxy .
FROM scratch
ARG BINARY
COPY ${BINARY} /parent-proxy
USER 65532:65532
ENTRYPOINT ["/parent-proxy"]
