# shellcheck shell=bash disable=SC2034 # the script that sources this file uses `endpoint`
# Sourced: starts a simulated enclave and the relay in front of it, and stops both.
# Sets `endpoint` (the URL clients use) and `folder` (a scratch folder, removed at the end). The
# enclave's audit records go to `audit`, a file, or to stdout.

BIN=$(cd "$BIN" && pwd)
folder=$(mktemp -d)
pids=()

# The relay holds two descriptors a connection.
ulimit -n "$(ulimit -Hn)"
# Each process in a group of its own: Ctrl-C reaches this script alone, which then ends them, once.
set -m

# Starts a program and waits until it says that it listens; sets `address` to where. What it
# writes to stdout after that is passed on.
start() {
    local program=$1 line output
    shift
    mkfifo "$folder/ready"
    "$BIN/$program" "$@" >"$folder/ready" &
    pids+=($!)
    exec {output}<"$folder/ready"
    rm "$folder/ready"
    if ! read -r line <&$output; then
        echo "$program did not start" >&2
        exit 1
    fi
    cat <&$output >>"${audit:-/dev/stdout}" &
    exec {output}<&-
    address=${line#* listening on }
}

# In reverse order, so that the relay drains into an enclave that still answers.
stop() {
    trap '' INT TERM HUP
    local index
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do
        kill -TERM "${pids[index]}" 2>/dev/null || true
        wait "${pids[index]}" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap stop EXIT
# Being told to stop is no failure.
trap 'exit 0' INT TERM HUP

# The relay listens on $1. If the second argument is yes, TLS ends in the enclave, for this machine's names;
# if the third is softhsm, there is a custom key store, on a token that is made for it.
start_service() {
    local scheme=http file=$folder/enclave.toml config=()
    if [[ ${2:-} == yes ]]; then
        scheme=https
        printf '[tls]\nmode = "attested"\nnames = ["localhost", "127.0.0.1", "::1"]\n' >>"$file"
    fi
    if [[ ${3:-} == softhsm ]]; then
        softhsm_key_store "$folder" >>"$file"
        export SOFTHSM2_CONF=$folder/softhsm2.conf
    fi
    if [[ -e $file ]]; then
        config=(--config "$file")
    fi
    start enclave-simulator --listen "unix:$folder/enclave.sock" "${config[@]}"
    # It is the only one, and with TLS it would not say in plain whether it is ready.
    start parent-proxy --listen "$1" --upstream "unix:$folder/enclave.sock" --health-interval 0
    endpoint=$scheme://$address
}
