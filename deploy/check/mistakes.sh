#!/usr/bin/env bash
# Plants one mistake at a time in a copy of deploy/, and demands that run.sh fails and says so.
# shellcheck disable=SC2016 # sed programs contain $
set -euo pipefail
check=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source "$check/tools.sh"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
detected=0 undetected=0

# expect_failure KIND FILE SED-SCRIPT MESSAGE: KIND's check fails with MESSAGE, an extended regular expression, once
# the script has changed the file.
expect_failure() {
    local kind=$1 file=$copy/deploy/$2 script=$3 message=$4 output
    rm -rf "$copy/deploy" && cp -r "$check/.." "$copy/deploy"
    sed -i -E "$script" "$file"
    if cmp -s "$file" "$check/../$2"; then
        echo "not planted: $2: $script" >&2
    elif output=$(DEPLOY=$copy/deploy "$check/run.sh" "$kind" 2>&1); then
        echo "not noticed: $2: $script" >&2
    elif ! grep -qE -- "$message" <<<"$output"; then
        echo "noticed for another reason: $2: $script: $output" >&2
    else
        detected=$((detected + 1))
        return
    fi
    undetected=$((undetected + 1))
}

# What the schemas and kustomize notice.
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
# What none of them does.
expect_failure kubernetes kubernetes/service.yaml '0,/targetPort: kms/s//targetPort: kmss/' 'no container has a port kmss'
expect_failure kubernetes kubernetes/deployment.yaml 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 30/' 'terminationGracePeriodSeconds: 30 is not more'
expect_failure kubernetes kubernetes/deployment.yaml 's/hugepages-2Mi: 960Mi/hugepages-2Mi: 512Mi/' 'hugepages are 512Mi'
expect_failure kubernetes kubernetes/deployment.yaml 's/value: "16"/value: "17"/' 'not the enclave of CID 17'
expect_failure kubernetes kubernetes/deployment.yaml '0,/drop: \["ALL"\]/s//drop: ["KILL"]/' 'container enclave may do more'
expect_failure kubernetes kubernetes/node.sh 's/memory_mib: 960/memory_mib: 512/' 'node.sh sets aside something else'
expect_failure kubernetes kubernetes/seccomp.json 's/"ptrace"/"ptrase"/' 'no system call ptrase'
expect_failure kubernetes kubernetes/deployment.yaml '0,/path: \/readyz/s//path: \/ready/' 'a probe of the enclave asks for /ready'
expect_failure kubernetes kubernetes/deployment.yaml 's/serviceAccountName: attested-random/&s/' 'no ServiceAccount attested-randoms'
expect_failure kubernetes kubernetes/deployment.yaml 's/name: parent-proxy$/name: parent-proxies/' 'no ConfigMap parent-proxies'
expect_failure kubernetes kubernetes/deployment.yaml '0,/- name: nitro-log$/s//&s/' 'mounts nitro-logs'
expect_failure kubernetes kubernetes/deployment.yaml 's#image: attested-random/parent-proxy#image: attested-random/proxy#' 'where attested-random/proxy comes from'
expect_failure kubernetes kubernetes/deployment.yaml 's#/parent-proxy.toml"#/proxy.toml"#' 'the relay does not read its file'
expect_failure kubernetes kubernetes/deployment.yaml 's/secretName: attested-random/&s/' 'README.md has no command: create secret'
expect_failure kubernetes kubernetes/deployment.yaml 's/k8s-dp: enabled/k8s: enabled/' 'README.md has no command: label node'
expect_failure kubernetes kubernetes/deployment.yaml 's/localhostProfile: attested-random/&s/' 'node.sh does not install .*attested-randoms.json'
expect_failure kubernetes kubernetes/deployment.yaml '/restartPolicy: Always/d' 'the enclave is no sidecar'
expect_failure kubernetes kubernetes/deployment.yaml 's/maxSurge: 0/maxSurge: 1/' 'a new pod needs the place'
expect_failure kubernetes kubernetes/deployment.yaml 's/mountPath: .dev.hugepages/&s/' 'nitro-cli has no /dev/hugepages'
expect_failure kubernetes kubernetes/deployment.yaml 's/runAsUser: 65532/runAsUser: 0/' 'the relay is root'
expect_failure kubernetes kubernetes/horizontalpodautoscaler.yaml 's/^    name: attested-random$/&s/' 'the scaling is of attested-randoms'
expect_failure kubernetes kubernetes/prometheus-adapter.yaml 's/pod: \{resource: pod\}/pod: {resource: pods}/' 'label pod is of the resource pods'
expect_failure kubernetes kubernetes/scrape.yaml 's/attested-random-metrics;metrics/attested-random;metrics/' 'does not keep attested-random-metrics;metrics'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/^proxy_protocol = true//' 'proxy_protocol is not what README.md'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/:5001"/:5011"/' 'config_listen is not where enclaves connect'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not where enclaves connect'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/0.0.0.0:9100/0.0.0.0:9101/' 'no probe reaches the relay'
expect_failure kubernetes kubernetes/parent-proxy.toml 's/^drain_timeout/drain_time/' 'drain_time'
expect_failure kubernetes kubernetes/prometheus-adapter.yaml 's/as: attested_random_nsm_busy/as: attested_random_nsm/' 'attested_random_nsm_busy'
expect_failure kubernetes kubernetes/scrape.yaml 's/action: keep/action: keeps/' 'keeps'

expect_failure systemd systemd/parent-proxy.service 's/^WatchdogSec/WatchdogSecs/' 'Unknown key .*WatchdogSecs'
expect_failure systemd systemd/parent-proxy.service 's/^Type=notify/Type=notified/' 'notified'
expect_failure systemd systemd/parent-proxy.service 's/AF_VSOCK/AF_VSOKK/' 'AF_VSOKK'
expect_failure systemd systemd/parent-proxy.service 's#^ExecStart=/usr/local/bin/#&the-#' 'the-parent-proxy is not executable'
expect_failure systemd systemd/parent-proxy.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser)=.*//' 'exposure level for parent-proxy.service'
expect_failure systemd systemd/parent-proxy.service 's/^LimitNOFILE=.*/LimitNOFILE=4096/' '4096 files are too few'
expect_failure systemd systemd/parent-proxy.socket 's/^ListenStream=8000/ListenStream=80000/' 'ListenStream|80000'
expect_failure systemd systemd/attested-random-enclave@.service 's/^KillMode=mixed/KillMode=mix/' 'KillMode|mix'
expect_failure systemd systemd/attested-random-enclave@.service 's/^After=(nitro.*)/After=\1\nRequires=\1/' 'allocator'
expect_failure systemd systemd/attested-random-enclave@.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser|SystemCallFilter|DevicePolicy|DeviceAllow)=.*//' 'exposure level for attested-random-enclave'
expect_failure systemd systemd/attested-random-unready@.service 's/^Type=oneshot/Type=once/' 'once'
expect_failure systemd systemd/attested-random-unready@.timer 's/^OnUnitInactiveSec=30s/OnUnitInactiveSec=often/' 'often'
expect_failure systemd systemd/parent-proxy.service 's/^Type=notify/Type=exec/' 'without Type=notify'
expect_failure systemd systemd/parent-proxy.service 's/kill -USR2/kill -HUP/' 'without ExecReload'
expect_failure systemd systemd/parent-proxy.service 's/^NotifyAccess=main/NotifyAccess=none/' 'is not to know of the new process'
expect_failure systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/LoadCredential=config.tar:\/etc\/a/' 'a copy of the archive'
expect_failure systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/SupplementaryGroups=ne/' 'permissions are not made by'
expect_failure systemd systemd/parent-proxy.toml 's#/etc/attested-random/config.tar#/run/config.tar#' 'config_archive is /run/config.tar'
expect_failure systemd systemd/README.md 's/-m 0640 config.tar/-m 0644 config.tar/' 'permissions are not made by'
expect_failure systemd systemd/parent-proxy.socket 's/ListenStream/ListenDatagram/' 'not one ListenStream'
expect_failure systemd systemd/attested-random-enclave@.service 's/ENCLAVE_CID=%i/ENCLAVE_CID=16/' 'its CID is not its instance'
expect_failure systemd systemd/attested-random-enclave@.service 's/^Restart=always/Restart=no/' 'without Restart=always'
expect_failure systemd systemd/attested-random-unready@.service '/^RuntimeDirectory=/d' 'without RuntimeDirectory'
expect_failure systemd systemd/attested-random-unready@.timer '/^OnActiveSec=/d' 'never begins'
expect_failure systemd systemd/parent-proxy.toml 's/127.0.0.1:9100/127.0.0.1:9101/' 'not where restart-unready.sh asks'
expect_failure systemd systemd/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not where enclaves connect'
expect_failure systemd nitro-cli/enclave.json 's/memory_mib/memory_mb/' 'enclave.json: .*memory_mb'
expect_failure systemd nitro-cli/allocator.yaml 's/memory_mib: 1024/memory_mib: 512/' 'nitro-cli/allocator.yaml: memory_mib is 512'
expect_failure systemd systemd/allocator.yaml 's/memory_mib: 4096/memory_mib: 2048/' 'memory_mib is 2048, the enclaves take 4096'
expect_failure systemd systemd/allocator.yaml 's/cpu_count: 8/cpus: 8/' 'does not understand: cpus: 8'
expect_failure systemd systemd/parent-proxy.toml 's/vsock:19:5000/vsock:18:5000/' 'an upstream is not vsock'

expect_failure prometheus prometheus/alerts.yaml 's/histogram_quantile\(0.99, /histogram_quantile(/' 'expected 2 argument'
expect_failure prometheus prometheus/alerts.yaml 's/\$labels\.cause/$label.cause/' 'undefined variable'
expect_failure prometheus prometheus/alerts.yaml 's/attested_random_verification_rejected_total/attested_random_verification_refused_total/' 'AttestedRandomVerificationQueueFull|no metric is named'
expect_failure prometheus prometheus/alerts.yaml 's/> 0.01/> 0.05/' 'AttestedRandomErrors'
expect_failure prometheus prometheus/alerts.yaml 's/(proxy_connections_open\)) > 3276/\1 > 32/' 'AttestedRandomConnectionsNearLimit'
expect_failure prometheus prometheus/alerts_test.yaml 's/AttestedRandomClockDisagrees fires/AttestedRandomClockDisagrees/' 'has no test in which it fires'
expect_failure prometheus prometheus/alerts.yaml 's/\{severity: page\}/{severity: pages}/' 'severity pages is neither'
expect_failure prometheus prometheus/alerts.yaml 's/\{severity: ticket\}/{severity: page}/' 'docs/operating.md lists the alerts that wake'
expect_failure prometheus prometheus/alerts.yaml 's/runbook: A rollout/run: A rollout/' 'AttestedRandomVersionsDiffer: no summary or no runbook'
expect_failure prometheus prometheus/alerts.yaml 's/relay \{\{ \$labels.instance \}\} has no/relay {{ $labels.upstream }} has no/' 'AttestedRandomRelayNotReady: says \$labels.upstream'
expect_failure prometheus prometheus/prometheus.yaml 's/static_configs/static_config/' 'static_config'

expect_failure grafana grafana/dashboard.json '1s/\{/{,/' 'Expecting property name'
expect_failure grafana grafana/dashboard.json 's/histogram_quantile\(0.5,/histogram_quantile(0.5/' 'parse error|unexpected'
expect_failure grafana grafana/dashboard.json 's/attested_random_nsm_blocks_ready/attested_random_nsm_blocks_stocked/' 'no metric is named attested_random_nsm_blocks_stocked'
expect_failure grafana grafana/dashboard.json 's/sum by \(cache\)/sum by (familiarity)/' 'nothing in it has the label familiarity'
expect_failure grafana grafana/dashboard.json 's/outcome!=\\"ready\\"/outcome!=\\"fine\\"/' 'outcome of attested_random_proxy_health_checks_total is never fine'
expect_failure grafana grafana/dashboard.json 's/\{\{outcome\}\}/{{result}}/' 'a legend has .*result'
expect_failure grafana grafana/dashboard.json 's/"id": 7,/"id": 8,/' 'an id is there twice'
expect_failure grafana grafana/dashboard.json 's/"unit": "s"/"unit": "sec"/' 'no unit, or one that Grafana has not'
expect_failure grafana grafana/dashboard.json '0,/"type": "timeseries"/s//"type": "timeserie"/' 'Grafana has no panel timeserie'
expect_failure grafana grafana/dashboard.json 's/("w": )8/\19/' 'lies over another panel'
expect_failure grafana grafana/dashboard.json 's/"uid": "\$\{datasource\}"/"uid": "prometheus"/' 'asks another Prometheus'
expect_failure grafana grafana/dashboard.json 's/\$instance/$relay/' 'a variable that nobody sets'

expect_failure scripts nitro-cli/run-enclave.sh 's/terminate-enclave/console/' 'signalled'
expect_failure scripts nitro-cli/run-enclave.sh 's/^exit 1$/exit 0/' 'exited: status 0'

expect_failure scripts systemd/restart-unready.sh 's/-mmin \+5/-mmin +3/' 'after 4 minutes of 16 0'
expect_failure scripts systemd/restart-unready.sh 's/vsock:\$cid:/vsock:[0-9]*:/' 'after 6 minutes of 17 0'

if [[ ${BIN:-} ]]; then
    expect_failure metrics check/metrics.txt 's/^attested_random_proxy_ready gauge/attested_random_proxy_ready counter/' 'proxy_ready is a gauge, not a counter'
    expect_failure metrics check/metrics.txt 's/^attested_random_proxy_connections_open/&ed/' 'connections_opened is in metrics.txt, and shown by nobody'
    expect_failure metrics check/metrics.txt 's/^(attested_random_nsm_faults counter) cause/\1/' 'nsm_faults has the label cause'
    expect_failure metrics check/metrics.txt 's/source=prefetched\|on_demand/source=prefetched/' 'source="on_demand"'
    expect_failure metrics check/metrics.txt 's/^(attested_random_nsm_blocks_expired counter)/\1 cause/' 'nsm_blocks_expired is not seen with the label cause'
    expect_failure metrics systemd/parent-proxy.toml 's/^drain_timeout/drain_time/' 'systemd/parent-proxy.toml: .*drain_time'
    expect_failure metrics kubernetes/parent-proxy.toml 's/vsock:16:5000/vsock:sixteen:5000/' 'kubernetes/parent-proxy.toml'
fi

echo "mistakes: $detected noticed, $undetected not"
[[ $undetected == 0 ]]
