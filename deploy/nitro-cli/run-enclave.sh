#!/bin/bash
# Runs one enclave for as long as this runs: SIGTERM terminates it, and its end is this script's, with
# status 1. Needs nitro-cli, and the right to use /dev/nitro_enclaves.
set -euo pipefail
cid=${ENCLAVE_CID:?such as 16; the enclaves of an instance have one each}
name=attested-random-$cid

# By name, for a signal may come before its id is known. One that comes while nitro-cli runs waits for it.
trap 'trap "" TERM INT; nitro-cli terminate-enclave --enclave-name "$name" || true; exit 0' TERM INT

# It returns when the enclave has booted, and prints JSON.
output=$(nitro-cli run-enclave --eif-path "${EIF:-/opt/attested-random/enclave.eif}" \
    --enclave-name "$name" --enclave-cid "$cid" \
    --cpu-count "${ENCLAVE_CPU_COUNT:-2}" --memory "${ENCLAVE_MEMORY_MIB:-1024}")
echo "$output"

# nitro-cli's process that holds the enclave ends with it. It is no child of ours.
holder=$(sed -n 's/.*"ProcessID": *\([0-9]*\).*/\1/p' <<<"$output")
[[ $holder ]] || { echo "nitro-cli names no process" >&2; exit 1; }
tail --pid="$holder" -f /dev/null &
wait $!
echo "the enclave $name has ended" >&2
exit 1
