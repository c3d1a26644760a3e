# The production enclave: one static binary on nothing else, and from it the enclave's image file:
#   docker build -f enclave.Dockerfile -t attested-random-enclave .
#   nitro-cli build-enclave --docker-uri attested-random-enclave --output-file enclave.eif
# The binary is the one that `make build-production` makes with the same compilers, byte for byte. Who
# wants others to come to the same one names the builder by its digest:
#   docker build -f enclave.Dockerfile --build-arg BUILDER=docker.io/library/rust@sha256:... .
#
# As it is, the enclave takes its configuration from the parent as it boots. One that is part of the
# image, and so of the image's measurements, takes a folder with the archive of it that
# `attested-recipient config-archive` makes, and a Dockerfile, for `nitro-cli build-enclave
# --docker-dir`. The entry point is repeated in whole there: beside a CMD nitro-cli does not read it.
#   FROM attested-random-enclave
#   COPY config.tar /
#   ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000", \
#     "--admin-listen", "vsock:4294967295:5002", "--config", "/config.tar"]
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS build
WORKDIR /build
COPY . .
RUN make build-production && cp target/production/*/release/enclave /enclave

FROM scratch
COPY --from=build /enclave /enclave
# nitro-cli asks for an environment and measures it; builders differ in what they give by themselves.
ENV PATH=/
# VMADDR_CID_ANY: whatever CID this enclave is given.
ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000", \
  "--admin-listen", "vsock:4294967295:5002", "--config-from-parent", "5001"]
