#!/usr/bin/env bash
# Verifies that production binaries do not contain the simulator (no-simulator.sh), and checks their other properties.
# shellcheck disable=SC2016 # the messages contain backticks
set -euo pipefail
: "${BIN:?}" "${PRODUCTION_DIR:?}" "${PKCS11_BIN:?}" "${TARGET:?}" "${RUSTFLAGS:?}" "${ATTESTED_RANDOM_COMMIT?}"

production=$PRODUCTION_DIR/$TARGET/release
binaries=("$production/enclave" "$production/parent-proxy" "$PKCS11_BIN/enclave")

pass() { echo "ok: $*"; }
fail() {
    echo "FAILED: $1" >&2
    exit 1
}

source "$(dirname "$0")/no-simulator.sh"

commit=$ATTESTED_RANDOM_COMMIT
for binary in "${binaries[@]}" "$BIN"/{enclave-simulator,parent-proxy,attested-recipient}; do
    printed=$("$binary" --version)
    [[ $printed == "${binary##*/} "*" (commit ${commit:-unknown: built without make or Git})" ]] ||
        fail "$binary does not print the commit ${commit:-unknown}: --version prints \"$printed\""
done
pass "--version of each binary prints the commit ${commit:-unknown}"

# The compiler writes its version into each binary.
compiler=$(<deploy/production/rustc-version)
[[ ${RUSTC_VERSION:-} != any ]] || compiler=$("$RUSTC" --version)
for binary in "${binaries[@]}"; do
    readelf -p .comment "$binary" | grep -qF "${compiler/rustc /rustc version }" ||
        fail "$binary was not built with $compiler: $(readelf -p .comment "$binary")"
done
pass "the production binaries were built with $compiler"

# Second implementations that tests compare with are not dependencies of production binaries.
for test_only in "enclave rustls-webpki" "simulator ring"; do
    read -r package dependency <<<"$test_only"
    if cargo tree --locked --depth 1 --prefix none -e normal -p "$package" | grep "^$dependency v"; then
        fail "$package depends on $dependency, which only its tests may use"
    fi
done
pass "enclave does not depend on rustls-webpki, nor simulator on ring"

expect_crates "the relay" "parent-proxy: transport:" -p parent-proxy
if cargo tree --locked --prefix none -e normal -p parent-proxy |
    grep -E '^(rustls|tokio-rustls|rcgen|webpki|x509-parser|rsa|ring|aws-lc)[a-z-]* v'; then
    fail "the relay links a verifier, a crypto library or TLS"
fi
pass "the relay links no verifier, no crypto library and no TLS"
http_sources=$(grep -lE 'hyper|http_body|httparse' -r parent-proxy/src | sort | xargs)
expected=$(printf 'parent-proxy/src/%s.rs ' admin health_check health_probe scrape)
[[ $http_sources == "${expected% }" ]] || fail "unexpected files of the relay use HTTP: $http_sources"
pass "only the health checks, the scraper and the admin endpoint of the relay use HTTP"
hyper_features=$(cargo tree --locked --no-dedupe --prefix none -e normal -f '{p}|{f}' -p parent-proxy |
    sed -nE 's/^hyper v[^|]*\|//p' | tr , '\n' | sort -u | xargs)
[[ " $hyper_features " == *" client "* ]] || fail "hyper in the relay lacks the feature client: $hyper_features"
[[ " $hyper_features " != *" server "* ]] || fail "hyper in the relay has the feature server"
pass "the relay links only the client of hyper"

# Prints the crates that load PKCS#11 modules.
module_loaders() {
    cargo tree --locked --prefix none -e normal -p enclave "$@" |
        sed -nE 's/^(cryptoki|cryptoki-sys|libloading) v.*/\1/p' | sort -u | xargs
}
linked=$(module_loaders)
[[ -z $linked ]] || fail "the enclave links crates that load modules: $linked"
linked=$(module_loaders --features pkcs11)
[[ $linked == "cryptoki cryptoki-sys libloading" ]] || fail "with the feature pkcs11 the enclave links \"$linked\", not \"cryptoki cryptoki-sys libloading\""
pass "only with the feature pkcs11 the enclave links $linked"

for binary in enclave parent-proxy; do
    ! readelf -d "$production/$binary" | grep -q NEEDED || fail "$binary is not static"
done
pass "the production binaries are static"

# The libraries of glibc and libgcc, including the loader.
needed=$(readelf --dynamic --wide "$PKCS11_BIN/enclave" | sed -n 's/.*(NEEDED) *Shared library: \[\(.*\)\]$/\1/p')
grep -qx 'libc\.so\.6' <<<"$needed" || fail "the enclave with pkcs11 is not dynamic"
if grep -vxE 'libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux-[a-z0-9-]*\.so\.[0-9]' <<<"$needed"; then
    fail "the enclave with pkcs11 needs a library outside the C library"
fi
pass "the enclave with pkcs11 is dynamic and needs only the C library: ${needed//$'\n'/ }"

# Folders of this machine with sources and tools of the build.
folders=("$HOME" "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "$(realpath "$PRODUCTION_DIR")"
    "$(rustc --print sysroot)")
for folder in "${folders[@]}"; do
    # Skip a home of /, because every path starts with it.
    [[ $folder != / ]] || continue
    for binary in "${binaries[@]}"; do
        ! grep -qaF "${folder%/}/" "$binary" || fail "$binary contains a path in $folder"
    done
done
pass "the production binaries contain no path of this machine"
grep -qaF "${CARGO_HOME:-$HOME/.cargo}/" "$BIN/enclave-simulator" || fail "enclave-simulator contains no path of this machine, so the check above proves nothing"
pass "enclave-simulator, which is built without path remapping, contains one"
