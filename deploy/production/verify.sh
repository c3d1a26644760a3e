#!/usr/bin/env bash
# The locks that keep the simulator out of production, each tried, and what else must hold of it.
# shellcheck disable=SC2016 # the messages contain backticks
set -euo pipefail
: "${BIN:?}" "${PRODUCTION_DIR:?}" "${PKCS11_BIN:?}" "${TARGET:?}" "${RUSTFLAGS:?}" "${ATTESTED_RANDOM_COMMIT?}"

root_name='NITRO SIMULATOR ROOT - DO NOT TRUST'
production=$PRODUCTION_DIR/$TARGET/release
binaries=("$production/enclave" "$production/parent-proxy" "$PKCS11_BIN/enclave")

pass() { echo "ok: $*"; }
fail() {
    echo "FAILED: $1" >&2
    exit 1
}

for binary in "${binaries[@]}"; do
    ! grep -qaF "$root_name" "$binary" || fail "the simulated root is in $binary"
    pass "the simulated root's name is absent from $binary"
done
grep -qaF "$root_name" "$BIN/enclave-simulator" || fail "the simulated root is not in enclave-simulator"
pass "the simulated root's name is present in enclave-simulator"

commit=$ATTESTED_RANDOM_COMMIT
for binary in "${binaries[@]}" "$BIN"/{enclave-simulator,parent-proxy,attested-recipient}; do
    printed=$("$binary" --version)
    [[ $printed == "${binary##*/} "*" (commit ${commit:-unknown: built without make or Git})" ]] ||
        fail "$binary is of another commit than ${commit:-unknown}: it prints \"$printed\""
done
pass "--version of each binary names the commit ${commit:-unknown}"

# The compiler writes its version into each binary.
compiler=$(<deploy/production/rustc-version)
[[ ${RUSTC_VERSION:-} != any ]] || compiler=$("$RUSTC" --version)
for binary in "${binaries[@]}"; do
    readelf -p .comment "$binary" | grep -qF "${compiler/rustc /rustc version }" ||
        fail "$binary was not built by $compiler: $(readelf -p .comment "$binary")"
done
pass "the production binaries were built by $compiler"

# refuses MESSAGE CARGO-ARGUMENT...: what must not be part of a production build fails to compile in one.
refuses() {
    local message=$1 output
    shift
    if output=$(cargo check --locked --release --target "$TARGET" --target-dir "$PRODUCTION_DIR" "$@" 2>&1); then
        fail "under cfg(production) this compiles: $*"
    fi
    grep -qF "$message must not be part of a production build" <<<"$output" ||
        fail "under cfg(production) this fails for another reason: $*: $output"
    pass "under cfg(production) this does not compile: $*"
}
refuses 'the feature `simulator`' -p attestation --features simulator
refuses 'the feature `simulator`' -p enclave --features simulator
refuses 'the feature `simulator`' -p simulator
# That of `attestation` stops these builds first. Without its dependencies, each crate shows its own lock.
own_lock() {
    local message=$1 source=$2 output
    output=$(rustc --edition 2024 --crate-type lib --emit metadata --out-dir "$(mktemp -d)" --cfg production \
        --cfg 'feature="simulator"' "$source" 2>&1) && fail "$source compiles without its dependencies"
    grep -qF "$message must not be part of a production build" <<<"$output" || fail "$source has no lock of its own"
    pass "$source has a lock of its own"
}
own_lock 'the feature `simulator`' enclave/src/lib.rs
own_lock 'the crate `simulator`' shared/simulator/src/lib.rs

# Second implementations, with which tests compare, are no dependencies of what is shipped.
for test_only in "enclave rustls-webpki" "simulator ring"; do
    read -r package dependency <<<"$test_only"
    if cargo tree --locked --depth 1 --prefix none -e normal -p "$package" | grep "^$dependency v"; then
        fail "$package depends on $dependency, which only its tests may use"
    fi
done
pass "enclave names no path library, and simulator no second provider"

# The crates of this workspace that a package is linked with, each with its features.
workspace_crates() {
    cargo tree --locked --no-dedupe --prefix none -e normal -f '{p}|{f}' "$@" | grep -F "($PWD/" |
        sed -E 's/ v[^|]*\|/:/; s/(^|[:,])default(,|$)/\1/; s/,$//' | sort -u | xargs
}
expect_crates() {
    local what=$1 expected=$2 found
    shift 2
    found=$(workspace_crates "$@")
    [[ $found == "$expected" ]] || fail "$what is linked with \"$found\", not with \"$expected\""
    pass "$what is linked with $expected, and no other crate of the workspace"
}
# Asking the same of the simulator shows that the question can tell the difference.
expect_crates "enclave-simulator" "attestation:aws-lc-rs,simulator enclave:aws-lc-rs,simulator kms-api: nsm-device: simulator:aws-lc-rs transport:" -p enclave --features simulator
expect_crates "the enclave" "attestation:aws-lc-rs enclave:aws-lc-rs kms-api: nsm-device: transport:" -p enclave
expect_crates "the relay" "parent-proxy: transport:" -p parent-proxy
if cargo tree --locked --prefix none -e normal -p parent-proxy |
    grep -E '^(rustls|tokio-rustls|rcgen|webpki|x509-parser|rsa|ring|aws-lc)[a-z-]* v'; then
    fail "the relay links a verifier, crypto or TLS"
fi
pass "the relay links neither verifier nor crypto nor TLS"
speaks_http=$(grep -lE 'hyper|http_body|httparse' -r parent-proxy/src | sort | xargs)
expected=$(printf 'parent-proxy/src/%s.rs ' admin health_check health_probe scrape)
[[ $speaks_http == "${expected% }" ]] || fail "of the relay these speak HTTP: $speaks_http"
pass "of the relay only what asks enclaves how they are, and what is asked the same, speaks HTTP"
hyper_features=$(cargo tree --locked --no-dedupe --prefix none -e normal -f '{p}|{f}' -p parent-proxy |
    sed -nE 's/^hyper v[^|]*\|//p' | tr , '\n' | sort -u | xargs)
[[ " $hyper_features " == *" client "* ]] || fail "the relay's hyper has no feature client, but $hyper_features"
[[ " $hyper_features " != *" server "* ]] || fail "the relay's hyper has the feature server"
pass "the relay links hyper's client, and not its server"

# The code that loads foreign modules, and what it stands on.
loads_modules() {
    cargo tree --locked --prefix none -e normal -p enclave "$@" |
        sed -nE 's/^(cryptoki|cryptoki-sys|libloading) v.*/\1/p' | sort -u | xargs
}
linked=$(loads_modules)
[[ -z $linked ]] || fail "the enclave links what loads modules: $linked"
linked=$(loads_modules --features pkcs11)
[[ $linked == "cryptoki cryptoki-sys libloading" ]] || fail "with the feature pkcs11 the enclave links only: $linked"
pass "with the feature pkcs11 the enclave links $linked; without it, none of these"

if grep -nE 'cfg|feature' enclave/src/main.rs; then fail "enclave/src/main.rs has a switch"; fi
pass "enclave/src/main.rs has no cfg"

for binary in enclave parent-proxy; do
    ! readelf -d "$production/$binary" | grep -q NEEDED || fail "$binary is not static"
done
pass "the production binaries are static"

# The C library's own, as glibc and libgcc name them; the loader is one of them.
needed=$(readelf --dynamic --wide "$PKCS11_BIN/enclave" | sed -n 's/.*(NEEDED) *Shared library: \[\(.*\)\]$/\1/p')
grep -qx 'libc\.so\.6' <<<"$needed" || fail "the enclave with pkcs11 is not dynamic"
if grep -vxE 'libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux-[a-z0-9-]*\.so\.[0-9]' <<<"$needed"; then
    fail "the enclave with pkcs11 needs a library that is not the C library's"
fi
pass "the enclave with pkcs11 is dynamic, and needs the C library alone: ${needed//$'\n'/ }"

# Where this machine has what the binaries were made of.
folders=("$HOME" "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "$(realpath "$PRODUCTION_DIR")"
    "$(rustc --print sysroot)")
for folder in "${folders[@]}"; do
    # A home of / says nothing: every path begins with it.
    [[ $folder != / ]] || continue
    for binary in "${binaries[@]}"; do
        ! grep -qaF "${folder%/}/" "$binary" || fail "$binary has a path in $folder"
    done
done
pass "no path of the build machine is in the production binaries"
grep -qaF "${CARGO_HOME:-$HOME/.cargo}/" "$BIN/enclave-simulator" || fail "no path of this machine is in enclave-simulator"
pass "one is in enclave-simulator, which is built without that care"
