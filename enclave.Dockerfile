# The production enclave: one static binary on nothing else, and from it the enclave's image file:
#   docker build -f enclave.Dockerfile --build-arg COMMIT="$(deploy/production/commit.sh)" \
#     -t attested-random-enclave .
#   nitro-cli build-enclave --docker-uri attested-random-enclave --output-file enclave.eif
# The binary is the one that `make build-production` makes with the same compilers, byte for byte. The
# build has no history, so COMMIT passes the commit that `--version` prints. Without it the binary differs.
# So that others can reproduce the binary, name the builder by its digest:
#   docker build -f enclave.Dockerfile --build-arg COMMIT=... --build-arg BUILDER=docker.io/library/rust@sha256:... .
# RUSTC_VERSION=any, another argument, lets a builder with another compiler make another binary.
#
# As it is, the enclave takes its configuration from the parent as it boots. One that is part of the
# image, and so of the image's measurements, takes a folder with the archive of it that
# `attested-recipient config-archive` makes, and a Dockerfile, for `nitro-cli build-enclave
# --docker-dir`. The entry point is repeated in whole there: beside a CMD nitro-cli does not read it.
#   FROM attested-random-enclave
#   COPY config.tar /
#   ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000", \
#     "--admin-listen", "vsock:4294967295:5002", "--config", "/config.tar"]
#
# The stage `pkcs11` is the flavor whose key stores load the module of a hardware security module: that
# of `make build-production-pkcs11`, on a base with a dynamic loader. The base's glibc must not be older
# than the builder's. Its bytes are measured: name it by its digest, as the builder.
#   docker build -f enclave.Dockerfile --build-arg COMMIT=... --target pkcs11 -t attested-random-enclave-pkcs11 .
# It has no module. A team adds its vendor's, all libraries that it needs beside glibc's, and its
# configuration, where the module looks for it (docs/key-stores.md):
#   FROM attested-random-enclave-pkcs11
#   COPY libcloudhsm_pkcs11.so /opt/cloudhsm/lib/
#   COPY cloudhsm-pkcs11.cfg customerCA.crt /opt/cloudhsm/etc/
ARG BUILDER=docker.io/library/rust:1.95.0-bookworm
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BUILDER} AS source
WORKDIR /build
COPY . .

FROM source AS build-pkcs11
ARG COMMIT
ARG RUSTC_VERSION
RUN make build-production-pkcs11 COMMIT="$COMMIT" RUSTC_VERSION="$RUSTC_VERSION" && cp target/production-pkcs11/*/release/enclave /enclave

FROM ${BASE} AS pkcs11
COPY --from=build-pkcs11 /enclave /enclave
ENV PATH=/
ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000", \
  "--admin-listen", "vsock:4294967295:5002", "--config-from-parent", "5001"]

FROM source AS build
ARG COMMIT
ARG RUSTC_VERSION
RUN make build-production COMMIT="$COMMIT" RUSTC_VERSION="$RUSTC_VERSION" && cp target/production/*/release/enclave /enclave

# The last stage is the one that is built where none is named.
FROM scratch
COPY --from=build /enclave /enclave
# nitro-cli asks for an environment and measures it; builders differ in what they give by themselves.
ENV PATH=/
# VMADDR_CID_ANY: whatever CID this enclave is given.
ENTRYPOINT ["/enclave", "--listen", "vsock:4294967295:5000", \
  "--admin-listen", "vsock:4294967295:5002", "--config-from-parent", "5001"]
