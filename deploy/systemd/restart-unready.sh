#!/bin/bash
# Restarts the enclave with the given CID if the relay has not found it ready for five minutes. Only a restart repairs
# an enclave after a failed health test or an NSM call that hangs. A timer runs this script every 30 s. Needs curl.
set -euo pipefail
cid=${1:?pass the CID of the enclave}
since=${RUNTIME_DIRECTORY:?set it to a folder for the time stamps}/$cid

# No conclusion about the enclave if the relay does not respond or has no such upstream.
metrics=$(curl --silent --fail --max-time 5 "${METRICS:-http://127.0.0.1:9100/metrics}") || exit 0
healthy=$(sed -n "s/^attested_random_proxy_upstream_healthy{upstream=\"vsock:$cid:[0-9]*\"} //p" <<<"$metrics")

if [[ $healthy != 0 ]]; then
    rm -f "$since"
elif [[ ! -e $since ]]; then
    touch "$since"
elif [[ $(find "$since" -mmin +5) ]]; then
    echo "the enclave of CID $cid was not ready for five minutes"
    # The next restart follows after five more minutes at the earliest.
    touch "$since"
    # try-restart: a unit that an operator stopped stays stopped.
    systemctl --no-block try-restart "attested-random-enclave@$cid.service"
fi
