#!/bin/bash
# Runs one enclave. SIGTERM terminates the enclave and ends the script with status 0. If the enclave ends by itself,
# the script ends with status 1. Needs nitro-cli and access to /dev/nitro_enclaves.
set -euo pipefail
cid=${ENCLAVE_CID:?set it to the CID of the enclave, such as 16; each enclave of an instance needs its own}
name=attested-random-$cid

# By name, because a signal can arrive before the id is known. bash runs the trap when nitro-cli has returned.
trap 'trap "" TERM INT; nitro-cli terminate-enclave --enclave-name "$name" || true; exit 0' TERM INT

# Returns when the enclave has booted, and prints JSON.
output=$(nitro-cli run-enclave --eif-path "${EIF:-/opt/attested-random/enclave.eif}" \
    --enclave-name "$name" --enclave-cid "$cid" \
    --cpu-count "${ENCLAVE_CPU_COUNT:-2}" --memory "${ENCLAVE_MEMORY_MIB:-1024}")
echo "$output"

# The process of nitro-cli that holds the enclave ends with it. It is not a child of this script.
holder=$(sed -n 's/.*"ProcessID": *\([0-9]*\).*/\1/p' <<<"$output")
[[ $holder ]] || { echo "the output of nitro-cli contains no ProcessID" >&2; exit 1; }
tail --pid="$holder" -f /dev/null &
wait $!
echo "the enclave $name has ended" >&2
exit 1
