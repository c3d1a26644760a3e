# shellcheck shell=bash disable=SC2016,SC2154 # messages contain backticks; verify.sh sets the variables
# Sourced by verify.sh: verifies that production binaries do not contain the simulator.

root_name='NITRO SIMULATOR ROOT - DO NOT TRUST'
for binary in "${binaries[@]}"; do
    ! grep -qaF "$root_name" "$binary" || fail "the simulated root is in $binary"
    pass "the simulated root's name is absent from $binary"
done
grep -qaF "$root_name" "$BIN/enclave-simulator" || fail "the simulated root is not in enclave-simulator"
pass "the simulated root's name is present in enclave-simulator"

# expect_compile_error MESSAGE CARGO-ARGUMENT...: checks that a production build fails to compile with MESSAGE.
expect_compile_error() {
    local message=$1 output
    shift
    if output=$(cargo check --locked --release --target "$TARGET" --target-dir "$PRODUCTION_DIR" "$@" 2>&1); then
        fail "cfg(production) does not prevent this build: $*"
    fi
    grep -qF "$message must not be part of a production build" <<<"$output" ||
        fail "under cfg(production) this build fails for another reason: $*: $output"
    pass "cfg(production) prevents this build: $*"
}
expect_compile_error 'the feature `simulator`' -p attestation --features simulator
expect_compile_error 'the feature `simulator`' -p enclave --features simulator
expect_compile_error 'the feature `simulator`' -p simulator
# The guard of `attestation` stops these builds first. Compiled without its dependencies, each crate shows its own guard.
expect_own_guard() {
    local message=$1 source=$2 output
    output=$(rustc --edition 2024 --crate-type lib --emit metadata --out-dir "$(mktemp -d)" --cfg production \
        --cfg 'feature="simulator"' "$source" 2>&1) && fail "$source compiles without its dependencies"
    grep -qF "$message must not be part of a production build" <<<"$output" || fail "$source has no guard of its own"
    pass "$source has a guard of its own"
}
expect_own_guard 'the feature `simulator`' enclave/src/lib.rs
expect_own_guard 'the crate `simulator`' shared/simulator/src/lib.rs

# Prints the crates of this workspace that a package links, each with its features.
workspace_crates() {
    cargo tree --locked --no-dedupe --prefix none -e normal -f '{p}|{f}' "$@" | grep -F "($PWD/" |
        sed -E 's/ v[^|]*\|/:/; s/(^|[:,])default(,|$)/\1/; s/,$//' | sort -u | xargs
}
expect_crates() {
    local what=$1 expected=$2 found
    shift 2
    found=$(workspace_crates "$@")
    [[ $found == "$expected" ]] || fail "$what links the workspace crates \"$found\", not \"$expected\""
    pass "$what links only these workspace crates: $expected"
}
# The check of the simulator shows that the method detects differences.
expect_crates "enclave-simulator" "attestation:aws-lc-rs,simulator enclave:aws-lc-rs,simulator kms-api: nsm-device: simulator:aws-lc-rs transport:" -p enclave --features simulator
expect_crates "the enclave" "attestation:aws-lc-rs enclave:aws-lc-rs kms-api: nsm-device: transport:" -p enclave
if grep -nE 'cfg|feature' enclave/src/main.rs; then fail "enclave/src/main.rs has conditional code"; fi
pass "enclave/src/main.rs has no conditional code"
