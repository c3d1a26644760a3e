#!/usr/bin/env bash
# SoftHSM2, an HSM in software, for the QEMU test: root on Debian installs it where it is missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/eif/debian.sh"

is_there() { command -v softhsm2-util >/dev/null && [[ -r /usr/lib/softhsm/libsofthsm2.so ]]; }

if ! is_there && [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
    log=$(mktemp)
    logged "$log" apt-get update
    DEBIAN_FRONTEND=noninteractive logged "$log" apt-get install -y --no-install-recommends softhsm2
    rm -f "$log"
fi
is_there || fail "the QEMU test needs SoftHSM2 (apt-get install softhsm2)"
