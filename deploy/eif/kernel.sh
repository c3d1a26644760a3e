#!/usr/bin/env bash
# Creates the folder of the kernel that kernel.lock pins, target/eif/kernel/VERSION (under $CARGO_TARGET_DIR if that is
# set), and prints its path as the last line on stdout. The folder contains:
#   vmlinuz            the kernel
#   00-NAME.ko ...     the modules that an enclave needs, in load order
#   version            the release of the kernel, as `uname -r` prints it
# An existing folder is used without the network.
#
# With --or-current, the suite's current kernel replaces a pinned one that Debian has removed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"

# NSM and vsock are virtio devices of the enclave's machine. virtio_mmio detects them.
modules=(virtio_mmio vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport nsm)

or_current=
case ${1:-} in
    "") ;;
    --or-current) or_current=yes ;;
    *) fail "usage: kernel.sh [--or-current]" ;;
esac

eif=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}/eif")
kernels=$eif/kernel

main() {
    source "$here/kernel.lock"
    pinned=$package
    local substitute=$kernels/instead-of-$version
    is_up_to_date && finish
    if [[ -n $or_current && -r $substitute ]]; then
        # shellcheck source=kernel.lock
        source "$substitute"
        is_up_to_date && finish
        source "$here/kernel.lock"
    fi

    require "the enclave's kernel" apt-get=apt dpkg-deb=dpkg xz=xz-utils flock=util-linux \
        "$debian_keyring=debian-archive-keyring"
    mkdir -p "$kernels"
    exec {lock}>"$eif/lock"
    flock "$lock"
    is_up_to_date && finish # a concurrent run created it

    debian_open "$eif/apt" "deb $suite main"
    if [[ -z $(debian_field SHA256 "$package=$version") ]]; then
        [[ -n $or_current ]] || fail "Debian's $suite no longer has $package $version: run make kernel-update"
        debian_kernel "$suite" >"$substitute.new"
        mv "$substitute.new" "$substitute"
        # shellcheck source=kernel.lock
        source "$substitute"
    fi
    is_up_to_date || make_folder
    finish
}

# The content of the folder depends on the package and on these scripts.
stamp_content() {
    echo "$package $version $sha256"
    cat "$here"/{kernel,debian}.sh
}

is_up_to_date() {
    stamp_content | cmp -s - "$kernels/$version/stamp"
}

finish() {
    [[ $package == "$pinned" ]] ||
        echo "Debian's $suite has removed the pinned kernel $pinned: using $package $version" >&2
    echo "$kernels/$version"
    exit
}

# Atomic: the folder gets its name when it is complete.
make_folder() {
    trap 'rm -rf "$kernels/.new"' EXIT
    rm -rf "$kernels/.new"
    mkdir "$kernels/.new"
    fill_folder
    rm -rf "${kernels:?}/$version"
    mv "$kernels/.new/kernel" "$kernels/$version"
}

fill_folder() (
    cd "$kernels/.new"
    echo "fetching $package $version (35 MB)" >&2
    logged "$eif/download.log" debian apt-get download "$package=$version"
    sha256sum --check --status <<<"$sha256  $(echo ./*.deb)" ||
        fail "the SHA-256 of $package $version is not the one in kernel.lock: $(sha256sum ./*.deb | cut -d' ' -f1)"
    dpkg-deb -x ./*.deb root
    mkdir kernel
    release=${package#linux-image-}
    cp "root/boot/vmlinuz-$release" kernel/vmlinuz
    echo "$release" >kernel/version
    add_modules "root/lib/modules/$release" kernel
    stamp_content >kernel/stamp
)

# add_modules FROM TO: copies the modules that are not built into the kernel. Fails if a dependency is not loaded first.
add_modules() {
    local from=$1 to=$2 name file found need loaded=" " number=0
    for name in "${modules[@]}"; do
        if ! grep -q "/$name\.ko$" "$from/modules.builtin"; then
            found=$(find "$from/kernel" -name "$name.ko.xz")
            [[ -n $found ]] || fail "$package $version has no module $name"
            file=$(printf '%s/%02d-%s.ko' "$to" $number "$name")
            xz -dc "$found" >"$file"
            number=$((number + 1))
            for need in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr , ' '); do
                [[ $loaded == *" $need "* ]] || fail "the module $name of $package needs $need, which kernel.sh does not load before it"
            done
        fi
        loaded+="$name "
    done
}

main
