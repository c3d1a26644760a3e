#!/usr/bin/env bash
# Validates the deployment files offline: `run.sh [KIND...]` with the kinds kubernetes, systemd, prometheus, grafana,
# scripts and metrics. The default is all of them.
#
# BIN is the folder of enclave-simulator and parent-proxy. Without BIN the kind `metrics` is skipped. DEPLOY names a
# folder in place of deploy/, which planted_faults.sh uses.
set -euo pipefail
deploy=$(realpath "${DEPLOY:-$(dirname "${BASH_SOURCE[0]}")/..}")
check=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source "$check/tools.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The oldest and the newest supported version of Kubernetes. Sidecars are stable since 1.33.
kubernetes_versions=(1.33 1.37)

check_kubernetes() {
    local version
    "$kubectl" kustomize "$deploy/kubernetes" >"$scratch/built.yaml"
    for version in "${kubernetes_versions[@]}"; do
        "${validate[@]}" -k "$version" --quiet "$scratch/built.yaml"
    done
    "$python" "$check/kubernetes.py" "$deploy" <"$scratch/built.yaml"
    # Debian's Prometheus lacks the Kubernetes service discovery, so remove it and check the rest of the file.
    "$python" - "$deploy/kubernetes/scrape.yaml" >"$scratch/scrape.yaml" <<'END'
import sys, yaml
file = yaml.safe_load(open(sys.argv[1]))
for job in file["scrape_configs"]:
    assert job.pop("kubernetes_sd_configs")[0]["role"] == "endpoints"
print(yaml.safe_dump(file))
END
    "$promtool" check config "$scratch/scrape.yaml" >/dev/null
}

# In a separate root with placeholders for the programs that a build machine lacks.
check_systemd() {
    local root=$scratch/root program output units=()
    mkdir -p "$root/usr/lib" "$root/etc/systemd/system" "$root/usr/local/bin" "$root/bin" "$root/opt/attested-random"
    cp -r /usr/lib/systemd "$root/usr/lib/"
    for program in usr/local/bin/{parent-proxy,attested-recipient} bin/kill; do
        printf '#!/bin/sh\n' >"$root/$program" && chmod +x "$root/$program"
    done
    cp "$deploy"/{nitro-cli/run-enclave,systemd/restart-unready}.sh "$root/opt/attested-random/"
    cp "$deploy"/systemd/*.{service,socket,timer} "$root/etc/systemd/system/"
    units=(parent-proxy.socket parent-proxy.service attested-random-enclave@16.service
        attested-random-unready@16.service attested-random-unready@16.timer
        attested-recipient-proxy.socket attested-recipient-proxy.service)
    # systemd-analyze only warns about unknown keys, so any output is an error.
    output=$(systemd-analyze verify --man=no --root="$root" "${units[@]}" 2>&1) || output+=" (systemd-analyze failed)"
    [[ -z $output ]] || { echo "$output" >&2; return 1; }
    # The highest accepted exposure level of each unit, in tenths. A unit without hardening has level 10.
    for program in parent-proxy=20 attested-recipient-proxy=20 attested-random-enclave@16=35 attested-random-unready@16=35; do
        systemd-analyze security --no-pager --offline=yes --root="$root" --threshold="${program#*=}" \
            "${program%=*}.service" >"$scratch/security" || { tail -n 1 "$scratch/security" >&2; return 1; }
    done
    "$python" "$check/units.py" "$deploy"
}

check_prometheus() {
    (cd "$deploy/prometheus" && "$promtool" check config prometheus.yaml && "$promtool" test rules alerts_test.yaml) \
        >"$scratch/promtool" 2>&1 || { cat "$scratch/promtool" >&2; return 1; }
    "$python" "$check/queries.py" "$deploy" tests
    check_queries
}

check_grafana() {
    "$python" -m json.tool "$deploy/grafana/dashboard.json" >/dev/null
    check_queries
}

check_queries() {
    "$python" "$check/queries.py" "$deploy" rules >"$scratch/rules.yaml"
    "$promtool" check rules "$scratch/rules.yaml" >"$scratch/promtool" 2>&1 || { cat "$scratch/promtool" >&2; return 1; }
    "$python" "$check/queries.py" "$deploy" names
}

check_scripts() {
    check_run_enclave
    check_restart_unready
}

# With a fake nitro-cli: after SIGTERM the script terminates the enclave. When the enclave ends, the script ends with
# status 1.
check_run_enclave() {
    local end status holder output
    mkdir "$scratch/bin"
    cat >"$scratch/bin/nitro-cli" <<'END'
#!/bin/bash
echo "$*" >>"$SCRATCH/calls"
if [[ $1 == run-enclave ]]; then
    tail -f /dev/null >/dev/null 2>&1 &
    printf '{\n  "EnclaveID": "i-1-enc1",\n  "ProcessID": %d,\n  "EnclaveCID": 16\n}\n' $!
else
    kill "$(cat "$SCRATCH/holder")"
fi
END
    chmod +x "$scratch/bin/nitro-cli"
    for end in signalled exited; do
        rm -f "$scratch/calls" "$scratch/output" && mkfifo "$scratch/output"
        # Opened for reading and writing, so that opening does not block and the script always has a reader.
        exec {output}<>"$scratch/output"
        SCRATCH=$scratch PATH=$scratch/bin:$PATH ENCLAVE_CID=16 timeout --foreground 30 "$deploy/nitro-cli/run-enclave.sh" \
            1>&"$output" 2>/dev/null &
        holder=$(timeout 10 sed -n '/}/q; s/.*"ProcessID": \([0-9]*\).*/\1/p' <&$output)
        echo "$holder" >"$scratch/holder"
        if [[ $end == signalled ]]; then kill -TERM $!; else kill "$holder"; fi
        status=0 && wait $! || status=$?
        exec {output}>&-
        case $end-$status in
        signalled-0) grep -qx 'terminate-enclave --enclave-name attested-random-16' "$scratch/calls" ;;
        exited-1) ! grep -q terminate "$scratch/calls" ;;
        *) false ;;
        esac || { echo "run-enclave.sh, $end: status $status, calls: $(cat "$scratch/calls")" >&2; return 1; }
    done
}

# With a fake relay: only five minutes of the value 0 cause a restart.
check_restart_unready() {
    local sample minutes restarts
    export RUNTIME_DIRECTORY=$scratch/unready
    mkdir -p "$scratch/bin" "$RUNTIME_DIRECTORY"
    # shellcheck disable=SC2016 # the string is a script
    printf '#!/bin/bash\n[[ $SAMPLE ]] && printf "attested_random_proxy_upstream_healthy{upstream=\\"vsock:%%s:5000\\"} %%s\\n" $SAMPLE\n' \
        >"$scratch/bin/curl"
    printf '#!/bin/bash\necho "$*" >>"%s/restarts"\n' "$scratch" >"$scratch/bin/systemctl"
    chmod +x "$scratch"/bin/{curl,systemctl}
    for restarts in '16 1=6=0' '16 0=4=0' '16 0=6=1' '17 0 16 1=6=0' '=6=0' '17 0 16 0=6=1'; do
        IFS='=' read -r sample minutes restarts <<<"$restarts"
        : >"$scratch/restarts"
        touch -d "-$minutes minutes" "$RUNTIME_DIRECTORY/16"
        SAMPLE=$sample PATH=$scratch/bin:$PATH "$deploy/systemd/restart-unready.sh" 16 >/dev/null
        [[ $(grep -cx -- '--no-block try-restart attested-random-enclave@16.service' "$scratch/restarts") == "$restarts" ]] ||
            { echo "restart-unready.sh: after $minutes minutes of $sample: expected $restarts restarts" >&2; return 1; }
    done
}

check_metrics() {
    "$python" "$check/scrape.py" "$deploy" "$BIN"
}

for kinds in "${@:-kubernetes systemd prometheus grafana scripts ${BIN:+metrics}}"; do
    for kind in $kinds; do
        "check_$kind"
        echo "ok: $kind"
    done
done
