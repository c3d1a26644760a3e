#!/usr/bin/env bash
# Builds enclave.Dockerfile with buildah, without Docker's engine and registry. The script builds the base
# image from the Debian release of this machine, and the builder image from the base and this machine's
# toolchain. The binaries in the two resulting images must equal those of `make build-production` and
# `make build-production-pkcs11`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
source deploy/eif/debian.sh
: "${TARGET_DIR:?}" "${BINARY:?}" "${PKCS11_BINARY:?}" "${COMMIT?}"

entry_point='"/enclave" "--listen" "vsock:4294967295:5000"'
entry_point+=' "--admin-listen" "vsock:4294967295:5002" "--config-from-parent" "5001"'
environment='"PATH=/"'
base=localhost/attested-random-base
builder=localhost/attested-random-builder
image=localhost/attested-random-enclave

pass() { echo "ok: $1"; }
fail() {
    echo "FAILED: $1" >&2
    exit 1
}

[[ $(id -u) -eq 0 ]] || fail "run this script as root: debootstrap and buildah need it for chroot"
command -v apt-get >/dev/null || fail "this script needs Debian: the builder uses the release of this machine"
debian_find_mirrors
missing=()
for tool in buildah debootstrap; do command -v $tool >/dev/null || missing+=("$tool"); done
if ((${#missing[@]})); then
    echo "installing the Debian packages ${missing[*]} on this system"
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "cannot install packages: run apt-get update && apt-get install ${missing[*]}"
fi

work=$(realpath -m "$TARGET_DIR")/image
sysroot=$(rustc --print sysroot)
registry=${CARGO_HOME:-$HOME/.cargo}/registry
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
[[ -f $sysroot/lib/rustlib/components ]] ||
    fail "$sysroot is not a toolchain of rustup: install Rust with rustup"
gcc=$(cc -dumpversion)
# These packages and the toolchain determine the bytes of the binary. The builder image must have the same
# versions as this machine.
packages=("gcc-$gcc" "libgcc-$gcc-dev" libc6-dev binutils)
mkdir -p "$work"

# b ARGUMENT...: runs buildah with a storage folder that only this script uses.
b() { buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }
clean_up() { b rm --all >/dev/null && b rmi --prune >/dev/null; }
trap clean_up EXIT
clean_up

# version PACKAGE [ROOT]: prints the version that is installed on this machine or under ROOT.
version() { dpkg-query --admindir="${2:-}/var/lib/dpkg" -W -f '${Package} ${Version}\n' "$1"; }

make_base() {
    local container root authorities=/etc/ssl/certs/ca-certificates.crt
    b rmi --all --force >/dev/null
    container=$(b from scratch)
    root=$(b mount "$container")
    debootstrap --variant=minbase "$release" "$root" "$debian_mirror" >"$work/debootstrap.log" 2>&1 ||
        fail "debootstrap: $(tail -n 5 "$work/debootstrap.log")"
    # apt in the base needs this machine's certificate authorities for an archive with https.
    [[ ! -r $authorities ]] || install -D -m 644 "$authorities" "$root$authorities"
    cat >"$root/etc/apt/sources.list" <<END
deb $debian_mirror $release main
deb $debian_mirror $release-updates main
deb $debian_security_mirror $release-security main
END
    b run --isolation chroot "$container" sh -ec 'apt-get update --error-on=any; apt-get -y dist-upgrade' \
        >"$work/upgrade.log" 2>&1 || fail "apt-get: $(tail -n 5 "$work/upgrade.log")"
    b commit --quiet --rm "$container" "$base" >/dev/null
}

make_builder() {
    local container root package host
    container=$(b from --pull-never "$base")
    root=$(b mount "$container")
    b run --isolation chroot "$container" \
        sh -ec 'apt-get install -y --no-install-recommends gcc libc6-dev make; apt-get clean' \
        >"$work/install.log" 2>&1 || fail "apt-get: $(tail -n 5 "$work/install.log")"
    for package in "${packages[@]}"; do
        cmp -s <(version "$package") <(version "$package" "$root") ||
            fail "this machine has $(version "$package"), Debian has $(version "$package" "$root"): run apt-get upgrade"
    done
    host=$(rustc -vV | sed -n 's/^host: //p')
    mkdir -p "$root"/usr/local/{cargo/registry,rust/bin,rust/lib/rustlib}
    cp -a "$sysroot"/bin/{cargo,rustc} "$root/usr/local/rust/bin/"
    cp -a "$sysroot"/lib/*.so* "$root/usr/local/rust/lib/"
    cp -a "$sysroot/lib/rustlib/$host" "$root/usr/local/rust/lib/rustlib/"
    # The build uses the crates that `make build-production` fetched, so it needs no network.
    b config --label "stamp=$stamp" --env CARGO_HOME=/usr/local/cargo --env CARGO_NET_OFFLINE=true \
        --env PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    b commit --quiet --rm "$container" "$builder" >/dev/null
}

# Prints everything that the builder image depends on. A change causes a new build of that image.
builder_inputs() {
    echo "Debian $release"
    for package in "${packages[@]}"; do version "$package"; done
    rustc -vV
    declare -f make_base make_builder
}
stamp=$(builder_inputs | sha256sum | cut -d ' ' -f 1)

builder_stamp=$(b inspect --type image --format '{{index .OCIv1.Config.Labels "stamp"}}' "$builder" 2>/dev/null || true)
if [[ $builder_stamp == "$stamp" ]]; then
    pass "the builder image is up to date: Debian $release with $(rustc --version)"
else
    make_base
    make_builder
    pass "the builder image is built: Debian $release with $(rustc --version) ($SECONDS s)"
fi

b bud --quiet --layers=false --tag "$image-context" --file - . >/dev/null <<<$'FROM scratch\nCOPY . /'
context=$(b mount "$(b from --pull-never "$image-context")")
[[ -f $context/Cargo.lock ]] || fail "the build context does not contain this folder"
excluded=$(cd "$context" && find . \( -name target -o -name .git \) -print)
[[ -z $excluded ]] || fail "the build context contains $excluded: exclude it in .dockerignore"
pass "the build context has $(find "$context" -type f | wc -l) files, none of them in target/ or .git/"

# build OPTION...: builds an image from enclave.Dockerfile.
build() {
    b bud --isolation chroot --layers=false --pull-never --build-arg "BUILDER=$builder" \
        --build-arg "BASE=$base" --build-arg "COMMIT=$COMMIT" \
        --build-arg "RUSTC_VERSION=${RUSTC_VERSION:-}" --volume "$registry:/usr/local/cargo/registry:ro" \
        --file enclave.Dockerfile "$@" . >"$work/build.log" 2>&1 ||
        fail "enclave.Dockerfile does not build: $(tail -n 20 "$work/build.log")"
}

# nitro-cli uses CMD. If there is no CMD, nitro-cli uses ENTRYPOINT. nitro-cli also measures the environment
# variables.
expect() {
    local words
    words=$(b inspect --type image --format "{{range .OCIv1.Config.$2}}{{printf \"%q \" .}}{{end}}" "$1")
    [[ ${words% } == "$3" ]] || fail "the $2 of $1 is $words, expected $3"
}
expect_command() {
    expect "$1" Entrypoint "$entry_point"
    expect "$1" Cmd ""
    expect "$1" Env "$environment"
    pass "the command is $entry_point, the environment $environment"
}

build --tag "$image"
pass "enclave.Dockerfile builds ($SECONDS s)"

root=$(b mount "$(b from --pull-never "$image")")
files=$(cd "$root" && find . -mindepth 1)
[[ $files == ./enclave ]] || fail "the image contains $files, expected only ./enclave"
pass "the image contains one file, /enclave"

cmp "$root/enclave" "$BINARY" || fail "the enclave in the image differs from the one of make build-production"
pass "the enclave equals the one of make build-production: $(sha256sum <"$BINARY" | cut -c 1-64)"

segments=$(readelf --dynamic --program-headers --wide "$root/enclave")
if grep -E 'NEEDED|INTERP' <<<"$segments"; then fail "the enclave in the image is not static"; fi
chroot "$root" /enclave --help >/dev/null || fail "the enclave in the image does not start"
pass "the enclave is static, and starts without other files"
expect_command "$image"

build --target pkcs11 --tag "$image-pkcs11"
pass "the stage pkcs11 of enclave.Dockerfile builds ($SECONDS s)"

root=$(b mount "$(b from --pull-never "$image-pkcs11")")
base_root=$(b mount "$(b from --pull-never "$base")")
# content_hash ROOT: hashes the measured attributes of all files: name, kind, mode, owner and content.
content_hash() { tar -C "$1" --exclude=./enclave --sort=name --mtime=@0 -c . | sha256sum; }
[[ ! -e $base_root/enclave && -f $root/enclave ]] || fail "the image does not add /enclave to its base"
[[ $(content_hash "$base_root") == "$(content_hash "$root")" ]] || fail "the image differs from its base in more than /enclave"
pass "the image adds one file to its base, /enclave"

cmp "$root/enclave" "$PKCS11_BINARY" ||
    fail "the enclave in the image differs from the one of make build-production-pkcs11"
pass "the enclave equals the one of make build-production-pkcs11: $(sha256sum <"$PKCS11_BINARY" | cut -c 1-64)"
chroot "$root" /enclave --help >/dev/null || fail "the enclave does not start in the image"
pass "the enclave starts in the image"
expect_command "$image-pkcs11"
echo "all checks of enclave.Dockerfile passed in $SECONDS s"
