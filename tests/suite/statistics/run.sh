#!/usr/bin/env bash
# Runs the tests ent and rngtest on 64 MiB of the service's random bytes. As a control, both tests must reject
# the output of a broken service, whose DRBG does not increment its counter.
set -euo pipefail
cd "$(dirname "$0")/../../.."

for tool in ent rngtest; do
    command -v "$tool" >/dev/null ||
        { echo "$tool is missing: apt-get install ent rng-tools5" >&2; exit 1; }
done

mebibytes=64
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/statistics
mkdir -p "$work"

# build TREE TARGET: builds the example of TREE. Each tree needs its own TARGET, so that cargo does not reuse
# the program of another tree.
build() {
    (cd "$1" && cargo build --release --locked --quiet --target-dir "$2" \
        -p suite --example random_output)
}

# generate TARGET OUTPUT: writes the random bytes of the service in TARGET to OUTPUT.
generate() {
    "$1/release/examples/random_output" "$mebibytes" >"$2"
    [ "$(stat -c %s "$2")" -eq $((mebibytes * 1024 * 1024)) ]
}

# passes_ent FILE: checks entropy, chi-square, mean and serial correlation. Random output has an entropy of
# 7.9999973 bits per byte. In one of several thousand runs, random output exceeds one of the other bounds.
passes_ent() {
    ent -t "$1" | awk -F, '
        $1 == 1 {
            # With 255 degrees of freedom, the chi-square distribution is nearly normal.
            z = ($4 - 255) / sqrt(510)
            printf "ent: entropy %s, chi-square %s (%.2f sigma), mean %s, correlation %s\n", $3, $4, z, $5, $7
            exit !($3 >= 7.99999 && z > -4 && z < 4 && $5 > 127.46 && $5 < 127.54 && $7 > -0.0005 && $7 < 0.0005)
        }'
}

# passes_rngtest FILE: runs the FIPS 140-2 tests on blocks of 20,000 bits. In random output, 8 of 10,000 blocks
# fail.
passes_rngtest() {
    (rngtest <"$1" 2>&1 || true) | awk '
        /FIPS 140-2 successes:/ {good = $NF}
        /FIPS 140-2 failures:/ {bad = $NF}
        END {
            printf "rngtest: %d blocks passed, %d failed\n", good, bad
            exit !(good > 26000 && bad < 60)
        }'
}

echo "## the service's output, $mebibytes MiB"
build . "$target"
generate "$target" "$work/output.bin"
passes_ent "$work/output.bin" || { echo "ent: FAILED" >&2; exit 1; }
passes_rngtest "$work/output.bin" || { echo "rngtest: FAILED" >&2; exit 1; }

echo "## a service whose DRBG does not increment V"
broken=$work/broken
rm -rf "$broken"
mkdir -p "$broken"
git ls-files -z | xargs -0 cp --parents -t "$broken"
# break_it FILE SED: applies SED to FILE, which must change.
break_it() {
    sed -i "$2" "$broken/$1"
    if cmp -s "$1" "$broken/$1"; then echo "$1: the line to break is not there; adapt break_it" >&2; exit 1; fi
}
break_it shared/attestation/src/crypto/aes_block.rs \
    's/from_be_bytes(\*counter)\.wrapping_add(1)/from_be_bytes(*counter).wrapping_add(0)/'
build "$broken" "$work/target"
if error=$("$work/target/release/examples/random_output" 1 2>&1 >/dev/null); then
    echo "the service starts although its known-answer tests fail" >&2
    exit 1
fi
grep -q 'KnownAnswer(Differs' <<<"$error" || { echo "$error" >&2; exit 1; }
echo "the service does not start: $error"

echo "## the same service without known-answer tests"
break_it enclave/src/entropy/known_answers.rs \
    's/VECTORS\.iter()\.try_for_each(check)/VECTORS.iter().take(0).try_for_each(check)/'
build "$broken" "$work/target"
generate "$work/target" "$work/broken.bin"
if passes_ent "$work/broken.bin"; then echo "ent passes the output of the broken DRBG" >&2; exit 1; fi
if passes_rngtest "$work/broken.bin"; then echo "rngtest passes the output of the broken DRBG" >&2; exit 1; fi
rm -r "$broken" "$work/output.bin" "$work/broken.bin"
echo "the service's output passes, and the output of the broken DRBG fails"
