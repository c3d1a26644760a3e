#!/usr/bin/env bash
# Makes sure that SoftHSM 2 is there, which the tests of custom key stores draw from, and prints where its
# PKCS#11 module is. Only root on Debian has it installed; anybody else is told to.
#
# With --check it installs nothing; its status says whether it is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../../deploy/laptop/softhsm.sh"

if softhsm_module; then
    exit 0
elif [[ ${1:-} == --check ]]; then
    exit 1
elif [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "the tests of custom key stores need SoftHSM 2: apt-get install softhsm2" >&2
    exit 1
fi

install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends softhsm2 >&2
}

# The lists of a fresh system are empty, those of an old one name what is gone.
install || { apt-get update --quiet=2 >&2 && install; }
softhsm_module || { echo "softhsm2 is installed, but where is libsofthsm2.so?" >&2; exit 1; }
