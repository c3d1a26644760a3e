#!/bin/bash
# User data of the nodes (Amazon Linux 2023 with enclave options enabled): reserves the resources of one enclave and
# installs the seccomp profile of the pods. It must run before the kubelet starts, because the kubelet counts huge
# pages only once. The argument is the location of deploy/kubernetes/seccomp.json.
set -euo pipefail
profile=${1:?the file or s3:// URL of seccomp.json}

dnf install -y aws-nitro-enclaves-cli
# Less than 1 GiB, so that the allocator uses 2 MiB pages, which deployment.yaml requests.
printf -- '---\nmemory_mib: 960\ncpu_count: 2\n' >/etc/nitro_enclaves/allocator.yaml
systemctl enable --now nitro-enclaves-allocator.service

mkdir -p /var/lib/kubelet/seccomp
if [[ $profile == s3://* ]]; then
    aws s3 cp "$profile" /var/lib/kubelet/seccomp/attested-random.json
else
    cp "$profile" /var/lib/kubelet/seccomp/attested-random.json
fi
