#!/usr/bin/env bash
# Makes target/eif/enclave.eif (under $CARGO_TARGET_DIR where that is set) of the production binary, and
# target/eif/pcrs.json of its measurements. Settings, from the environment:
#   ENCLAVE    the production binary
#   TOOL       the command attested-recipient
#   KERNEL     another kernel than the pinned one, such as nitro-cli's
#   MODULES    the modules that such a kernel needs, in their order; none by default
#   RAMDISK    the first ramdisk as it is, a cpio archive, in the place of one with the modules
#   CMDLINE    another kernel command line
#   CONFIG     the folder of a configuration to be part of the image; without one, it is the parent's
#   OR_CURRENT the kernel's suite's current one may take the place of one that Debian has dropped
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${ENCLAVE:?}" "${TOOL:?}"
out=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}/eif")
mkdir -p "$out"

# What nitro-cli's own image gives its kernel, but for what only that one has; and no module without
# its distributor's signature.
cmdline=${CMDLINE:-reboot=k panic=30 console=ttyS0 quiet random.trust_cpu=on module.sig_enforce=1}

options=(--cmdline "$cmdline" --enclave "$ENCLAVE" --argument=--listen --argument=vsock:4294967295:5000
    --argument=--admin-listen --argument=vsock:4294967295:5002)

if [[ -n ${KERNEL:-} ]]; then
    options+=(--kernel "$KERNEL")
    [[ -z ${RAMDISK:-} ]] || options+=(--ramdisk "$RAMDISK")
    for module in ${MODULES:-}; do
        options+=(--module "$module")
    done
else
    [[ -z ${RAMDISK:-}${MODULES:-} ]] ||
        { echo "RAMDISK and MODULES go with KERNEL: the pinned kernel has its own" >&2; exit 1; }
    kernel=$("$here/kernel.sh" ${OR_CURRENT:+--or-current} | tail -n 1)
    options+=(--kernel "$kernel/vmlinuz" --kernel-version "$(cat "$kernel/version")")
    for module in "$kernel"/*.ko; do
        options+=(--module "$module")
    done
fi

if [[ -n ${CONFIG:-} ]]; then
    archive=$(mktemp)
    trap 'rm -f "$archive"' EXIT
    "$TOOL" config-archive "$CONFIG" --out "$archive"
    options+=(--argument=--config --argument=/config.tar --file "config.tar=$archive")
else
    options+=(--argument=--config-from-parent --argument=5001)
fi

# Two builds of a commit are the same file. Without a history, time starts at zero.
commit=unknown
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
if git -C "$root" rev-parse --verify --quiet HEAD >/dev/null; then
    commit=$(git -C "$root" describe --always --abbrev=40 --dirty --exclude='*')
fi

"$TOOL" build-eif "${options[@]}" --commit "$commit" --toolchain "$(rustc --version)" \
    --out "$out/enclave.eif" --pcrs "$out/pcrs.json"
cat "$out/pcrs.json"
