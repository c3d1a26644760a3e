#!/usr/bin/env bash
# Builds target/eif/enclave.eif (under $CARGO_TARGET_DIR if that is set) from the production binary, and
# target/eif/pcrs.json with its measurements. Settings, from the environment:
#   ENCLAVE    the production binary
#   TOOL       the command attested-recipient
#   KERNEL     a kernel in place of the pinned one, such as nitro-cli's
#   MODULES    the modules of that kernel, in load order; none by default
#   RAMDISK    the complete first ramdisk, a cpio archive, in place of one with the modules
#   CMDLINE    another kernel command line
#   CONFIG     the folder of a configuration for the image; by default the parent serves the configuration
#   FILES      more files for the image, as NAME=PATH: PATH becomes /NAME
#   PKCS11     "yes": the binary loads PKCS#11 modules and needs a dynamic loader. The loader and all libraries
#              that it and FILES need come from this machine. The output folder is target/eif/pkcs11
#   OR_CURRENT if set, the suite's current kernel replaces a pinned one that Debian has removed
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
    *) fail "PKCS11 is \"$PKCS11\": set it to \"yes\" or leave it unset" ;;
esac
mkdir -p "$out"

# The command line of nitro-cli's own image without the options of its kernel. Modules need their distributor's
# signature.
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
        fail "RAMDISK and MODULES need KERNEL: the pinned kernel has its own modules"
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
    [[ $file == *=* ]] || fail "FILES contains \"$file\": write each file as NAME=PATH"
    options+=(--file "$file")
    provided+=("$(basename "${file%%=*}")")
    # A library, recognized by the ELF magic number. The tool reports a file that cannot be read.
    if [[ $(head -c 4 "${file#*=}" 2>/dev/null | tr -d '\0') == $'\x7fELF' ]]; then
        # As an absolute path: a loader searches a bare name only in its library folders.
        libraries+=("$(realpath -- "${file#*=}")")
    fi
done

toolchain=$(rustc --version)
if [[ -n ${PKCS11:-} ]]; then
    programs=$(PROVIDED="${provided[*]}" "$here/libraries.sh" "$ENCLAVE" "${libraries[@]}")
    while read -r program; do
        options+=(--program "$program")
        # The C library is part of the measurements, so pcrs.json names its version.
        [[ $program != */ld-linux* ]] ||
            toolchain+=", $("${program#*=}" --version | sed -n '1s/.*(\(.*\)).*/\1/p')"
    done <<<"$programs"
fi

# Two builds of a commit give the same file. Without a Git history the time is zero.
commit=unknown
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
if git -C "$root" rev-parse --verify --quiet HEAD >/dev/null; then
    commit=$(git -C "$root" describe --always --abbrev=40 --dirty --exclude='*')
fi

"$TOOL" build-eif "${options[@]}" --commit "$commit" --toolchain "$toolchain" \
    --out "$out/enclave.eif" --pcrs "$out/pcrs.json"
cat "$out/pcrs.json"
