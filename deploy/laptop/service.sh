# shellcheck shell=bash disable=SC2034 # the script that sources this file uses `endpoint`
# Sourced. Starts a simulated enclave and the relay in front of it, and stops both at the end.
# Sets `endpoint` (the URL for clients) and `folder` (a temporary folder, removed at the end). The audit records of the
# enclave go to the file `audit` if that is set, otherwise to stdout.

BIN=$(cd "$BIN" && pwd)
folder=$(mktemp -d)
pids=()

# The relay needs two descriptors per connection.
ulimit -n "$(ulimit -Hn)"
# Each process has its own process group, so Ctrl-C reaches only this script, which then stops them once.
set -m

# Starts a program and waits until it prints its listener, whose address becomes `address`. Copies its further stdout.
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

# In reverse order, so that the relay drains into an enclave that still responds.
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
# A signal to stop is not a failure.
trap 'exit 0' INT TERM HUP

# start_service ADDRESS [yes] [softhsm]: the relay listens on ADDRESS. With "yes" TLS ends in the enclave, for the
# names of this machine. With "softhsm" there is a custom key store on a new token.
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
    # No health checks: there is only one enclave, and with TLS its client listener has no unencrypted /readyz.
    start parent-proxy --listen "$1" --upstream "unix:$folder/enclave.sock" --health-interval 0
    endpoint=$scheme://$address
}
