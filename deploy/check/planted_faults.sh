#!/usr/bin/env bash
# Plants one fault at a time in a copy of deploy/ and checks that run.sh fails with the expected message.
# shellcheck disable=SC2016 # sed programs contain $
set -euo pipefail
check=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source "$check/tools.sh"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
detected=0 undetected=0

# expect_failure KIND FILE SED-SCRIPT MESSAGE: applies the script to the file and expects the check KIND to fail with
# MESSAGE, an extended regular expression.
expect_failure() {
    local kind=$1 file=$copy/deploy/$2 script=$3 message=$4 output
    rm -rf "$copy/deploy" && cp -r "$check/.." "$copy/deploy"
    sed -i -E "$script" "$file"
    if cmp -s "$file" "$check/../$2"; then
        echo "fault has no effect: $2: $script" >&2
    elif output=$(DEPLOY=$copy/deploy "$check/run.sh" "$kind" 2>&1); then
        echo "fault not detected: $2: $script" >&2
    elif ! grep -qE -- "$message" <<<"$output"; then
        echo "fault detected with another message: $2: $script: $output" >&2
    else
        detected=$((detected + 1))
        return
    fi
    undetected=$((undetected + 1))
}

# Faults that the schemas and kustomize detect.
expect_failure kubernetes kubernetes/kustomization.yaml 's/- service.yaml/- services.yaml/' 'services.yaml'
expect_failure kubernetes kubernetes/namespace.yaml 's/^  labels:/  label:/' "label"
expect_failure kubernetes kubernetes/serviceaccount.yaml 's/automountServiceAccountToken/automountToken/' 'automountToken'
expect_failure kubernetes kubernetes/deployment.yaml 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 60s/' '60s'
expect_failure kubernetes kubernetes/deployment.yaml 's/enableServiceLinks/enableServiceLink/' 'enableServiceLink'
expect_failure kubernetes kubernetes/deployment.yaml 's/failureThreshold: 30/failureTreshold: 30/' 'failureTreshold'
expect_failure kubernetes kubernetes/service.yaml 's/port: 443/port: "443"/' '443'
expect_failure kubernetes kubernetes/poddisruptionbudget.yaml 's/maxUnavailable/maxUnavailables/' 'maxUnavailables'
expect_failure kubernetes kubernetes/networkpolicy.yaml 's/podSelector:/podSelectors:/' 'podSelector'
expect_failure kubernetes kubernetes/horizontalpodautoscaler.yaml 's/maxReplicas: 12/maxReplica: 12/' 'maxReplica'
# Faults that only kubernetes.py detects.
expect_failure kubernetes kubernetes/service.yaml '0,/targetPort: kms/s//targetPort: kmss/' 'no container has a port kmss'
expect_failure kubernetes kubernetes/deployment.yaml 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 30/' 'terminationGracePeriodSeconds: 30 is not more'
expect_failure kubernetes kubernetes/deployment.yaml 's/hugepages-2Mi: 960Mi/hugepages-2Mi: 512Mi/' 'hugepages limit is 512Mi'
expect_failure kubernetes kubernetes/deployment.yaml 's/value: "16"/value: "17"/' 'not the enclave of CID 17'
expect_failure kubernetes kubernetes/deployment.yaml '0,/drop: \["ALL"\]/s//drop: ["KILL"]/' 'container enclave has unnecessary rights'
expect_failure kubernetes kubernetes/node.sh 's/memory_mib: 960/memory_mib: 512/' 'node.sh does not reserve'
expect_failure kubernetes kubernetes/seccomp.json 's/"ptrace"/"ptrase"/' 'no system call ptrase'
expect_failure kubernetes kubernetes/deployment.yaml '0,/path: \/readyz/s//path: \/ready/' 'a probe of the enclave requests /ready'
expect_failure kubernetes kubernetes/deployment.yaml 's/serviceAccountName: attested-random/&s/' 'no ServiceAccount attested-randoms'
expect_failure kubernetes kubernetes/deployment.yaml 's/name: parent-proxy$/name: parent-proxies/' 'no ConfigMap parent-proxies'
expect_failure kubernetes kubernetes/deployment.yaml '0,/- name: nitro-log$/s//&s/' 'mounts nitro-logs'
expect_failure kubernetes kubernetes/deployment.yaml 's#image: attested-random/parent-proxy#image: attested-random/proxy#' 'no source for attested-random/proxy'
expect_failure kubernetes kubernetes/deployment.yaml 's#/parent-proxy.toml"#/proxy.toml"#' 'the relay does not read its file'
expect_failure kubernetes kubernetes/deployment.yaml 's/secretName: attested-random/&s/' 'README.md has no command: create secret'
expect_failure kubernetes kubernetes/deployment.yaml 's/k8s-dp: enabled/k8s: enabled/' 'README.md has no command: label node'
expect_failure kubernetes kubernetes/deployment.yaml 's/localhostProfile: attested-random/&s/' 'node.sh does not install .*attested-randoms.json'
expect_failure kubernetes kubernetes/deployment.yaml '/restartPolicy: Always/d' 'the enclave is not a sidecar'
expect_failure kubernetes kubernetes/deployment.yaml 's/maxSurge: 0/maxSurge: 1/' 'a new pod needs the node'
expect_failure kubernetes kubernetes/deployment.yaml 's/mountPath: .dev.hugepages/&s/' 'nitro-cli needs the mount /dev/hugepages'
expect_failure kubernetes kubernetes/deployment.yaml 's/runAsUser: 65532/runAsUser: 0/' 'the relay runs as root'
expect_failure kubernetes kubernetes/horizontalpodautoscaler.yaml 's/^    name: attested-random$/&s/' 'the autoscaler scales attested-randoms'
expect_failure kubernetes kubernetes/prometheus-adapter.yaml 's/pod: \{resource: pod\}/pod: {resource: pods}/' 'label pod maps to the resource pods'
expect_failure kubernetes kubernetes/scrape.yaml 's/attested-random-metrics;metrics/attested-random;metrics/' 'does not keep attested-random-metrics;metrics'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/^proxy_protocol = true//' 'proxy_protocol differs from the enclave'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/:5001"/:5011"/' 'config_listen is not the vsock port'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not the vsock port'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/0.0.0.0:9100/0.0.0.0:9101/' 'no probe reaches the relay'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/^drain_timeout/drain_time/' 'drain_time'
expect_failure kubernetes kubernetes/prometheus-adapter.yaml 's/as: attested_random_nsm_busy/as: attested_random_nsm/' 'attested_random_nsm_busy'
expect_failure kubernetes kubernetes/scrape.yaml 's/action: keep/action: keeps/' 'keeps'

expect_failure systemd systemd/parent-proxy.service 's/^WatchdogSec/WatchdogSecs/' 'Unknown key .*WatchdogSecs'
expect_failure systemd systemd/parent-proxy.service 's/^Type=notify/Type=notified/' 'notified'
expect_failure systemd systemd/parent-proxy.service 's/AF_VSOCK/AF_VSOKK/' 'AF_VSOKK'
expect_failure systemd systemd/parent-proxy.service 's#^ExecStart=/usr/local/bin/#&the-#' 'the-parent-proxy is not executable'
expect_failure systemd systemd/parent-proxy.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser)=.*//' 'exposure level for parent-proxy.service'
expect_failure systemd systemd/parent-proxy.service 's/^LimitNOFILE=.*/LimitNOFILE=4096/' 'LimitNOFILE 4096 is too low'
expect_failure systemd systemd/parent-proxy.socket 's/^ListenStream=8000/ListenStream=80000/' 'ListenStream|80000'
expect_failure systemd systemd/attested-random-enclave@.service 's/^KillMode=mixed/KillMode=mix/' 'KillMode|mix'
expect_failure systemd systemd/attested-random-enclave@.service 's/^After=(nitro.*)/After=\1\nRequires=\1/' 'allocator'
expect_failure systemd systemd/attested-random-enclave@.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser|SystemCallFilter|DevicePolicy|DeviceAllow)=.*//' 'exposure level for attested-random-enclave'
expect_failure systemd systemd/attested-random-unready@.service 's/^Type=oneshot/Type=once/' 'once'
expect_failure systemd systemd/attested-random-unready@.timer 's/^OnUnitInactiveSec=30s/OnUnitInactiveSec=often/' 'often'
expect_failure systemd systemd/parent-proxy.service 's/^Type=notify/Type=exec/' 'missing Type=notify'
expect_failure systemd systemd/parent-proxy.service 's/kill -USR2/kill -HUP/' 'missing ExecReload'
expect_failure systemd systemd/parent-proxy.service 's/^NotifyAccess=main/NotifyAccess=none/' 'must admit the new process'
expect_failure systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/LoadCredential=config.tar:\/etc\/a/' 'would copy the archive'
expect_failure systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/SupplementaryGroups=ne/' 'README.md has no command'
expect_failure systemd systemd/parent-proxy.toml 's#/etc/attested-random/config.tar#/run/config.tar#' 'config_archive is /run/config.tar'
expect_failure systemd systemd/README.md 's/-m 0640 config.tar/-m 0644 config.tar/' 'README.md has no command'
expect_failure systemd systemd/parent-proxy.socket 's/ListenStream/ListenDatagram/' 'exactly one ListenStream'
expect_failure systemd systemd/attested-random-enclave@.service 's/ENCLAVE_CID=%i/ENCLAVE_CID=16/' 'ENCLAVE_CID is not the instance name'
expect_failure systemd systemd/attested-random-enclave@.service 's/^Restart=always/Restart=no/' 'missing Restart=always'
expect_failure systemd systemd/attested-random-unready@.service '/^RuntimeDirectory=/d' 'missing RuntimeDirectory'
expect_failure systemd systemd/attested-random-unready@.timer '/^OnActiveSec=/d' 'OnActiveSec or OnUnitInactiveSec is missing'
expect_failure systemd systemd/parent-proxy.toml 's/127.0.0.1:9100/127.0.0.1:9101/' 'not the address that restart-unready.sh queries'
expect_failure systemd systemd/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not the vsock port'
expect_failure systemd nitro-cli/enclave.json 's/memory_mib/memory_mb/' 'enclave.json: .*memory_mb'
expect_failure systemd nitro-cli/allocator.yaml 's/memory_mib: 1024/memory_mib: 512/' 'nitro-cli/allocator.yaml: memory_mib is 512'
expect_failure systemd systemd/allocator.yaml 's/memory_mib: 4096/memory_mib: 2048/' 'memory_mib is 2048, the enclaves need 4096'
expect_failure systemd systemd/allocator.yaml 's/cpu_count: 8/cpus: 8/' 'cannot parse: cpus: 8'
expect_failure systemd systemd/parent-proxy.toml 's/vsock:19:5000/vsock:18:5000/' 'an upstream is not vsock'

expect_failure prometheus prometheus/alerts.yaml 's/histogram_quantile\(0.99, /histogram_quantile(/' 'expected 2 argument'
expect_failure prometheus prometheus/alerts.yaml 's/\$labels\.cause/$label.cause/' 'undefined variable'
expect_failure prometheus prometheus/alerts.yaml 's/attested_random_verification_rejected_total/attested_random_verification_refused_total/' 'AttestedRandomVerificationQueueFull|there is no metric'
expect_failure prometheus prometheus/alerts.yaml 's/> 0.01/> 0.05/' 'AttestedRandomErrors'
expect_failure prometheus prometheus/alerts.yaml 's/(proxy_connections_open\)) > 3276/\1 > 32/' 'AttestedRandomConnectionsNearLimit'
expect_failure prometheus prometheus/alerts_test.yaml 's/AttestedRandomClockDisagrees fires/AttestedRandomClockDisagrees/' 'has no test in which it fires'
expect_failure prometheus prometheus/alerts.yaml 's/\{severity: page\}/{severity: pages}/' 'severity pages is neither'
expect_failure prometheus prometheus/alerts.yaml 's/\{severity: ticket\}/{severity: page}/' 'docs/operating.md must list exactly'
expect_failure prometheus prometheus/alerts.yaml 's/runbook: A rollout/run: A rollout/' 'AttestedRandomVersionsDiffer: no summary or no runbook'
expect_failure prometheus prometheus/alerts.yaml 's/relay \{\{ \$labels.instance \}\} has no/relay {{ $labels.upstream }} has no/' 'AttestedRandomRelayNotReady: uses \$labels.upstream'
expect_failure prometheus prometheus/prometheus.yaml 's/static_configs/static_config/' 'static_config'

expect_failure grafana grafana/dashboard.json '1s/\{/{,/' 'Expecting property name'
expect_failure grafana grafana/dashboard.json 's/histogram_quantile\(0.5,/histogram_quantile(0.5/' 'parse error|unexpected'
expect_failure grafana grafana/dashboard.json 's/attested_random_nsm_blocks_prefetched/attested_random_nsm_blocks_stocked/' 'there is no metric attested_random_nsm_blocks_stocked'
expect_failure grafana grafana/dashboard.json 's/sum by \(cache\)/sum by (hit)/' 'no metric in it has the label hit'
expect_failure grafana grafana/dashboard.json 's/outcome!=\\"ready\\"/outcome!=\\"fine\\"/' 'outcome of attested_random_proxy_health_checks_total is never fine'
expect_failure grafana grafana/dashboard.json 's/\{\{outcome\}\}/{{result}}/' 'a legend uses .*result'
expect_failure grafana grafana/dashboard.json 's/"id": 7,/"id": 8,/' 'an id occurs twice'
expect_failure grafana grafana/dashboard.json 's/"unit": "s"/"unit": "sec"/' 'the unit is missing or unknown'
expect_failure grafana grafana/dashboard.json '0,/"type": "timeseries"/s//"type": "timeserie"/' 'unknown panel type timeserie'
expect_failure grafana grafana/dashboard.json 's/("w": )8/\19/' 'overlaps another panel'
expect_failure grafana grafana/dashboard.json 's/"uid": "\$\{datasource\}"/"uid": "prometheus"/' 'uses another datasource'
expect_failure grafana grafana/dashboard.json 's/\$instance/$relay/' 'an undefined variable'

expect_failure scripts nitro-cli/run-enclave.sh 's/terminate-enclave/console/' 'signalled'
expect_failure scripts nitro-cli/run-enclave.sh 's/^exit 1$/exit 0/' 'exited: status 0'

expect_failure scripts systemd/restart-unready.sh 's/-mmin \+5/-mmin +3/' 'after 4 minutes of 16 0'
expect_failure scripts systemd/restart-unready.sh 's/vsock:\$cid:/vsock:[0-9]*:/' 'after 6 minutes of 17 0'

if [[ ${BIN:-} ]]; then
    expect_failure metrics check/metrics.txt 's/^attested_random_proxy_ready gauge/attested_random_proxy_ready counter/' 'proxy_ready is a gauge, not a counter'
    expect_failure metrics check/metrics.txt 's/^attested_random_proxy_connections_open/&ed/' 'connections_opened is in metrics.txt, but no program exports it'
    expect_failure metrics check/metrics.txt 's/^(attested_random_nsm_faults counter) cause/\1/' 'nsm_faults has the label cause'
    expect_failure metrics check/metrics.txt 's/source=prefetched\|on_demand/source=prefetched/' 'source="on_demand"'
    expect_failure metrics check/metrics.txt 's/^(attested_random_nsm_blocks_expired counter)/\1 cause/' 'nsm_blocks_expired is not exported with the label cause'
    expect_failure metrics systemd/parent-proxy.toml 's/^drain_timeout/drain_time/' 'systemd/parent-proxy.toml: .*drain_time'
    expect_failure metrics kubernetes/parent-proxy.toml 's/vsock:16:5000/vsock:sixteen:5000/' 'kubernetes/parent-proxy.toml'
fi

echo "planted faults: $detected detected, $undetected not detected"
[[ $undetected == 0 ]]
