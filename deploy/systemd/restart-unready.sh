#!/bin/bash
# Restarts the enclave of a CID that the relay has not found ready for five minutes: what a health test or a
# call that hangs has stopped comes back with a restart alone. Run each half minute, by a timer. Needs curl.
set -euo pipefail
cid=${1:?the CID}
since=${RUNTIME_DIRECTORY:?where it remembers}/$cid

# A relay that does not answer says nothing about the enclave, nor does one that does not know it.
metrics=$(curl --silent --fail --max-time 5 "${METRICS:-http://127.0.0.1:9100/metrics}") || exit 0
healthy=$(sed -n "s/^attested_random_proxy_upstream_healthy{upstream=\"vsock:$cid:[0-9]*\"} //p" <<<"$metrics")

if [[ $healthy != 0 ]]; then
    rm -f "$since"
elif [[ ! -e $since ]]; then
    touch "$since"
elif [[ $(find "$since" -mmin +5) ]]; then
    echo "the enclave of CID $cid was not ready for five minutes"
    # Five more until the next.
    touch "$since"
    # What somebody stopped stays stopped.
    systemctl --no-block try-restart "attested-random-enclave@$cid.service"
fi
