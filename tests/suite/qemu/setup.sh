#!/usr/bin/env bash
# Builds the programs that boot an enclave image without AWS, under target/qemu (or $CARGO_TARGET_DIR/qemu):
#   bin/qemu-system-x86_64       QEMU with the machine nitro-enclave, built from Debian's source
#   share/qemu, share/seabios    the firmware; each folder is an argument of -L
#   bin/vhost-device-vsock       the parent's side of the machine's vsock, as Unix sockets
# The first run takes minutes. Later runs do nothing if the files are up to date. At the end the script
# prints the versions.
#
# --check builds nothing. The exit status is 0 if all files are up to date.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../../deploy/eif/debian.sh"

# This release of Debian has QEMU 10.0. The machine nitro-enclave exists since QEMU 9.2.
suite=trixie
vhost_device_vsock=0.3.0
build_packages=(dpkg-dev gcc libc6-dev libcbor-dev libfdt-dev libglib2.0-dev libgnutls28-dev
    ninja-build pkg-config xz-utils)

qemu=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../../target}/qemu")
work=$qemu/work
logs=$qemu/logs

main() {
    if up_to_date; then
        versions
        exit
    elif [[ ${1:-} == --check ]]; then
        exit 1
    fi
    command -v cargo >/dev/null || fail "cargo is missing: install Rust 1.95 or later with rustup"
    require "the QEMU test" apt-get=apt dpkg-deb=dpkg python3=python3 \
        "$debian_keyring=debian-archive-keyring"
    # The stamp is written last, so that an interrupted run starts again.
    rm -rf "$qemu"
    mkdir -p "$work" "$logs" "$qemu/bin"
    build_dependencies
    step "fetching QEMU's source and firmware (100 MB)"
    fetch
    step "building vhost-device-vsock $vhost_device_vsock (about a minute)"
    build_vhost_device_vsock
    step "building QEMU (about five minutes)"
    build_qemu
    rm -rf "$work"
    stamp_content >"$qemu/stamp"
    step "done"
    versions
}

# Prints everything that the result depends on.
stamp_content() {
    cat "$here"/{setup.sh,requirements.txt} "$here/../../../deploy/eif/debian.sh"
}

up_to_date() {
    # The binaries may no longer start, because the system's libraries can change after the build.
    stamp_content | cmp -s - "$qemu/stamp" && versions >/dev/null 2>&1
}

versions() {
    local version machines
    version=$("$qemu/bin/qemu-system-x86_64" --version)
    machines=$("$qemu/bin/qemu-system-x86_64" -machine help)
    grep -q '^nitro-enclave ' <<<"$machines" || fail "this QEMU does not support the machine nitro-enclave"
    echo "${version%%$'\n'*}, $("$qemu/bin/vhost-device-vsock" --version)"
}

step() {
    printf '%s %s\n' "$(date +%T)" "$1" >&2
}

build_dependencies() {
    local package missing=()
    for package in "${build_packages[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [[ ${#missing[@]} != 0 ]] || return 0
    [[ $EUID == 0 ]] || fail "the QEMU test needs: ${missing[*]} (apt-get install ${missing[*]})"
    step "installing ${missing[*]}"
    logged "$logs/apt-update.log" apt-get update
    DEBIAN_FRONTEND=noninteractive \
        logged "$logs/apt-install.log" apt-get install -y --no-install-recommends "${missing[@]}"
}

# apt verifies each file against the signed package lists.
fetch() {
    cd "$work"
    debian_open "$work/apt" "deb $suite main" "deb-src $suite main" \
        "deb $suite-security main" "deb-src $suite-security main"
    logged "$logs/fetch-source.log" debian apt-get source --download-only --only-source qemu
    logged "$logs/fetch-firmware.log" debian apt-get download qemu-system-data seabios
    local package
    for package in ./*.deb; do
        dpkg-deb -x "$package" firmware
    done
    mkdir "$qemu/share"
    mv firmware/usr/share/{qemu,seabios} "$qemu/share"
}

build_vhost_device_vsock() {
    CARGO_TARGET_DIR=$work/cargo logged "$logs/vhost-device-vsock.log" \
        cargo install --locked --root "$qemu" --version "=$vhost_device_vsock" vhost-device-vsock
}

build_qemu() {
    logged "$logs/unpack.log" dpkg-source --no-check -x "$work"/qemu_*.dsc "$work/source"
    # Debian's source does not contain the UEFI firmware, and the machine nitro-enclave does not use it.
    sed -i 's/unpack_edk2_blobs = true/unpack_edk2_blobs = false/' "$work/source/meson.build"
    echo CONFIG_NITRO_ENCLAVE=y >"$work/source/configs/devices/x86_64-softmmu/enclave.mak"

    python3 -m venv "$work/venv"
    logged "$logs/pip.log" "$work/venv/bin/pip" install --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement "$here/requirements.txt"

    mkdir "$work/build"
    cd "$work/build"
    # TCG runs on every machine, so KVM is left out. Of the devices, only those of nitro-enclave are built.
    logged "$logs/configure.log" ../source/configure --python="$work/venv/bin/python3" \
        --target-list=x86_64-softmmu --without-default-features --without-default-devices \
        --with-devices-x86_64=enclave --enable-tcg --enable-gnutls --enable-libcbor \
        --enable-vhost-user --enable-fdt=system --disable-download --disable-docs \
        --disable-install-blobs
    logged "$logs/build.log" ninja qemu-system-x86_64
    strip -o "$qemu/bin/qemu-system-x86_64" qemu-system-x86_64
}

main "$@"
