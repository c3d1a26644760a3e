#!/usr/bin/env bash
# Installs SoftHSM 2, which the tests of custom key stores use, and prints the path of its PKCS#11 module.
# The installation is system-wide and needs root on Debian. Elsewhere the script prints what to install.
#
# --check installs nothing. The exit status is 0 if SoftHSM 2 is installed.
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

echo "installing the Debian package softhsm2 on this system, for the tests of custom key stores" >&2
# The package lists of a new system are empty, and old lists name packages that no longer exist.
install || { apt-get update --quiet=2 >&2 && install; }
softhsm_module || { echo "softhsm2 is installed, but libsofthsm2.so is in none of the known folders" >&2; exit 1; }
