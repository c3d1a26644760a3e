# nitro-cli, the enclave image of `make eif` with nitro-cli's kernel, and the script that starts it:
#   docker build -f deploy/kubernetes/enclave-runner.Dockerfile --build-arg EIF=target/eif/enclave.eif \
#     -t attested-random/enclave-runner .
FROM public.ecr.aws/amazonlinux/amazonlinux:2023
RUN dnf install -y aws-nitro-enclaves-cli && dnf clean all
ARG EIF
COPY ${EIF} /opt/attested-random/enclave.eif
COPY deploy/nitro-cli/run-enclave.sh /opt/attested-random/
ENTRYPOINT ["/opt/attested-random/run-enclave.sh"]
