#!/usr/bin/env bash
# `run.sh run` fuzzes every target for FUZZ_SECONDS. `run.sh save` merges the new inputs into the corpus.
# TARGETS selects targets. VECTORS is a folder with genuine inputs. The script never saves these inputs.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "$1" >&2
    exit 1
}

command -v cargo-fuzz >/dev/null || fail "cargo-fuzz is missing: cargo install --locked cargo-fuzz"
cargo +nightly --version >/dev/null 2>&1 ||
    fail "a nightly compiler is missing: rustup toolchain install nightly --profile minimal"

target_dir=${CARGO_TARGET_DIR:-$PWD/target}
scratch=$target_dir/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
targets=${TARGETS:-$(basename -s .rs fuzz/fuzz_targets/*.rs)}
# Limits of the corpus of each target, so that the repository stays small.
max_files=200
max_bytes=$((400 * 1024))

# The release profile enables link-time optimization, which would only slow down this build.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none
cargo +nightly fuzz build --fuzz-dir fuzz --features libfuzzer --target "$host" \
    --target-dir "$target_dir" --codegen-units 16
cargo run --locked --quiet -p fuzz --bin seeds -- "$scratch/seeds" >/dev/null

# Runs libFuzzer on one target. libFuzzer writes new inputs to the first folder.
libfuzzer() {
    local name=$1
    shift
    ASAN_OPTIONS=detect_odr_violation=0 "$target_dir/$host/release/$name" "$@"
}

# Prints the folder with genuine inputs for a target, if it exists.
vectors_of() {
    local folder
    case $1 in
        document) folder=attdocs ;;
        cms_open) folder=cms ;;
        http_request) folder=sigv4 ;;
        *) return 0 ;;
    esac
    [[ -n ${VECTORS:-} && -d $VECTORS/$folder ]] && echo "$VECTORS/$folder" || true
}

fuzz_one() {
    local name=$1 vectors found log
    vectors=$(vectors_of "$name")
    # A separate folder, because inputs derived from genuine ones must not reach the repository.
    found=$scratch/found${vectors:+-with-vectors}/$name
    log=$scratch/$name.log
    mkdir -p "$found" fuzz/artifacts "fuzz/corpus/$name"
    # libFuzzer writes failing inputs to the folder of -artifact_prefix.
    if libfuzzer "$name" -max_total_time="${FUZZ_SECONDS:-60}" -malloc_limit_mb=16 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$name-" \
        "$found" "fuzz/corpus/$name" "$scratch/seeds/$name" ${vectors:+"$vectors"} >"$log" 2>&1; then
        awk -v name="$name" '/^stat::number_of_executed_units/ {n = $2} /^stat::average_exec/ {s = $2}
            /^stat::peak_rss/ {m = $2} /cov:/ {for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1)}
            END {printf "%-16s %10d executions, %6d a second, coverage %5d, %4d MiB at most\n", name, n, s, c, m}' "$log"
    else
        grep -aE 'panicked|ERROR|SUMMARY|Test unit written' -A 2 "$log" | head -20 >&2 || true
        echo "$name: found a failing input, see $log" >&2
        return 1
    fi
}

save_one() {
    local name=$1 merged=$scratch/merged/$1 bytes=0 files=0 size file
    rm -rf "$merged"
    mkdir -p "$merged" "$scratch/found/$name" "fuzz/corpus/$name"
    libfuzzer "$name" -set_cover_merge=1 "$merged" "fuzz/corpus/$name" "$scratch/found/$name" \
        "$scratch/seeds/$name" >"$scratch/$name.merge.log" 2>&1 || fail "cannot merge the inputs of $name: see $scratch/$name.merge.log"
    rm -f "fuzz/corpus/$name"/*
    while read -r size file; do
        bytes=$((bytes + size)) files=$((files + 1))
        ((files <= max_files && bytes <= max_bytes)) || break
        cp "$file" "fuzz/corpus/$name/"
    done < <(find "$merged" -type f -printf '%s %p\n' | sort -n)
    printf '%-16s %4d inputs, %7d bytes\n' "$name" "$(find "fuzz/corpus/$name" -type f | wc -l)" \
        "$(find "fuzz/corpus/$name" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}')"
}

failed=0
for name in $targets; do
    case ${1:-} in
        run) fuzz_one "$name" || failed=1 ;;
        save) save_one "$name" ;;
        *) fail "usage: fuzz/run.sh run|save" ;;
    esac
done
exit $failed
