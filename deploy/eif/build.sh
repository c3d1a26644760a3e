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
#   FILES      more files for the image, as NAME=PATH: PATH is to be /NAME there
#   PKCS11     "yes": the binary has key stores, and needs a dynamic loader. That and all libraries that it
#              and FILES need come from this machine; what is made is then in target/eif/pkcs11
#   OR_CURRENT the kernel's suite's current one may take the place of one that Debian has dropped
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${ENCLAVE:?}" "${TOOL:?}"
out=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}/eif")
fail() {
    echo "$1" >&2
    exit 1
}
case ${PKCS11:-} in
    "") ;;
    yes) out+=/pkcs11 ;;
    *) fail "PKCS11 is \"yes\", or nothing" ;;
esac
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
        fail "RAMDISK and MODULES go with KERNEL: the pinned kernel has its own"
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

provided=() libraries=()
for file in ${FILES:-}; do
    [[ $file == *=* ]] || fail "FILES has \"$file\", which is no NAME=PATH"
    options+=(--file "$file")
    provided+=("$(basename "${file%%=*}")")
    # A library, by the first bytes of ELF; what cannot be read is the tool's to refuse.
    if [[ $(head -c 4 "${file#*=}" 2>/dev/null | tr -d '\0') == $'\x7fELF' ]]; then
        # Without a folder a loader would look for it where libraries are.
        libraries+=("$(realpath -- "${file#*=}")")
    fi
done

toolchain=$(rustc --version)
if [[ -n ${PKCS11:-} ]]; then
    programs=$(PROVIDED="${provided[*]}" "$here/libraries.sh" "$ENCLAVE" "${libraries[@]}")
    while read -r program; do
        options+=(--program "$program")
        # Which C library this is shows in the measurements, and so it is named beside them.
        [[ $program != */ld-linux* ]] ||
            toolchain+=", $("${program#*=}" --version | sed -n '1s/.*(\(.*\)).*/\1/p')"
    done <<<"$programs"
fi

# Two builds of a commit are the same file. Without a history, time starts at zero.
commit=unknown
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
if git -C "$root" rev-parse --verify --quiet HEAD >/dev/null; then
    commit=$(git -C "$root" describe --always --abbrev=40 --dirty --exclude='*')
fi

"$TOOL" build-eif "${options[@]}" --commit "$commit" --toolchain "$toolchain" \
    --out "$out/enclave.eif" --pcrs "$out/pcrs.json"
cat "$out/pcrs.json"
