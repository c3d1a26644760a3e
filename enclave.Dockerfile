# The production enclave: one static binary on nothing else.
#   docker build -f enclave.Dockerfile -t attested-random-enclave .
# It does not start without a configuration, which belongs into an image made from this one, so that
# the enclave's measurements cover it:
#   FROM attested-random-enclave
#   COPY enclave.toml wallet.json /
#   CMD ["--config", "/enclave.toml"]
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN make build-production && cp target/production/*/release/enclave /enclave

FROM scratch
COPY --from=build /enclave /enclave
# VMADDR_CID_ANY: whatever CID this enclave is given.
ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000"]
