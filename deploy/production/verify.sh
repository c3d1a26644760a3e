#!/usr/bin/env bash
# The locks that keep the simulator out of production, each tried.
set -euo pipefail
: "${BIN:?}" "${PRODUCTION_DIR:?}" "${HOST:?}" "${RUSTFLAGS:?}"

root_name='NITRO SIMULATOR ROOT - DO NOT TRUST'
production=$PRODUCTION_DIR/$HOST/release

pass() { echo "ok: $1"; }
fail() {
    echo "FAILED: $1" >&2
    exit 1
}

for binary in enclave parent-proxy; do
    ! grep -qaF "$root_name" "$production/$binary" || fail "the simulated root is in $binary"
    pass "the simulated root's name is absent from the production $binary"
done
grep -qaF "$root_name" "$BIN/enclave-simulator" || fail "the simulated root is not in enclave-simulator"
pass "the simulated root's name is present in enclave-simulator"

for package in shared enclave; do
    if output=$(cargo check --locked --release --target "$HOST" --target-dir "$PRODUCTION_DIR" \
        -p $package --features simulator 2>&1); then
        fail "$package compiles with the feature simulator under cfg(production)"
    fi
    grep -qF 'the feature `simulator` must not be part of a production build' <<<"$output" ||
        fail "$package with the simulator fails for another reason: $output"
done
pass "the feature simulator under cfg(production) does not compile, in shared and in enclave"

# Without RUSTFLAGS, which cargo tree would take for another platform's.
if cargo tree --locked -p enclave -e normal,features | grep -q 'feature "simulator"'; then
    fail "the enclave's default features include the simulator"
fi
pass "a plain build of the enclave has no feature simulator"

linked=$(cargo tree --locked -p parent-proxy -e normal,features --prefix none)
if grep -E '^(shared feature "(attestation|kms|nsm|simulator|aws-lc-rs|ring)"|rustls-webpki|x509-parser|rsa |ring |aws-lc)' <<<"$linked"; then
    fail "the relay links more of shared than its transport"
fi
pass "the relay links neither verifier nor crypto"

if grep -nE 'cfg|feature' enclave/src/main.rs; then fail "enclave/src/main.rs has a switch"; fi
pass "enclave/src/main.rs has no cfg"

for binary in enclave parent-proxy; do
    ! readelf -d "$production/$binary" | grep -q NEEDED || fail "$binary is not static"
done
pass "the production binaries are static"
