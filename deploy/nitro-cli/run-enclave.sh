#!/bin/bash
# Runs one enclave for as long as this runs: SIGTERM terminates it, and its end is this script's, with
# status 1. Needs nitro-cli, and the right to use /dev/nitro_enclaves.
set -euo pipefail
cid=${ENCLAVE_CID:?such as 16; each of an instance\'s enclaves has its own}

# It returns when the enclave has booted, and prints JSON.
answer=$(nitro-cli run-enclave --eif-path "${EIF:-/opt/attested-random/enclave.eif}" \
    --enclave-name "attested-random-$cid" --enclave-cid "$cid" \
    --cpu-count "${ENCLAVE_CPU_COUNT:-2}" --memory "${ENCLAVE_MEMORY_MIB:-1024}")
echo "$answer"
id=$(sed -n 's/.*"EnclaveID": *"\([^"]*\)".*/\1/p' <<<"$answer")
keeper=$(sed -n 's/.*"ProcessID": *\([0-9]*\).*/\1/p' <<<"$answer")
[[ $id && $keeper ]] || { echo "nitro-cli names neither enclave nor process" >&2; exit 1; }

trap 'trap "" TERM INT; nitro-cli terminate-enclave --enclave-id "$id"; exit 0' TERM INT
# nitro-cli's process that holds the enclave ends with it. It is no child of ours.
tail --pid="$keeper" -f /dev/null &
wait $!
echo "the enclave $id has ended" >&2
exit 1
