#!/bin/bash
# User data of the nodes (Amazon Linux 2023, enclave options on), to run before the kubelet starts, which
# counts huge pages once: what is set aside for one enclave, and the seccomp profile of the pods. The
# profile is deploy/kubernetes/seccomp.json, read from where you put it.
set -euo pipefail
profile=${1:?the file or s3:// URL of seccomp.json}

dnf install -y aws-nitro-enclaves-cli
# Less than 1 GiB, so that the allocator takes pages of 2 MiB, for which deployment.yaml asks.
printf -- '---\nmemory_mib: 960\ncpu_count: 2\n' >/etc/nitro_enclaves/allocator.yaml
systemctl enable --now nitro-enclaves-allocator.service

mkdir -p /var/lib/kubelet/seccomp
if [[ $profile == s3://* ]]; then
    aws s3 cp "$profile" /var/lib/kubelet/seccomp/attested-random.json
else
    cp "$profile" /var/lib/kubelet/seccomp/attested-random.json
fi
