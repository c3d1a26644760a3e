#!/usr/bin/env bash
# Plants one mistake at a time in a copy of deploy/, and demands that run.sh fails and says so.
# shellcheck disable=SC2016 # sed programs contain $
set -euo pipefail
check=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source "$check/tools.sh"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
caught=0 missed=0

# seeded KIND FILE SED-SCRIPT MESSAGE: KIND's check fails with MESSAGE, an extended regular expression, once
# the script has changed the file.
seeded() {
    local kind=$1 file=$copy/deploy/$2 script=$3 message=$4 said
    rm -rf "$copy/deploy" && cp -r "$check/.." "$copy/deploy"
    sed -i -E "$script" "$file"
    if cmp -s "$file" "$check/../$2"; then
        echo "not planted: $2: $script" >&2
    elif said=$(DEPLOY=$copy/deploy "$check/run.sh" "$kind" 2>&1); then
        echo "not noticed: $2: $script" >&2
    elif ! grep -qE -- "$message" <<<"$said"; then
        echo "noticed for another reason: $2: $script: $said" >&2
    else
        caught=$((caught + 1))
        return
    fi
    missed=$((missed + 1))
}

# What the schemas and kustomize notice.
seeded kubernetes kubernetes/kustomization.yaml 's/- service.yaml/- services.yaml/' 'services.yaml'
seeded kubernetes kubernetes/namespace.yaml 's/^  labels:/  label:/' "label"
seeded kubernetes kubernetes/serviceaccount.yaml 's/automountServiceAccountToken/automountToken/' 'automountToken'
seeded kubernetes kubernetes/deployment.yaml 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 60s/' '60s'
seeded kubernetes kubernetes/deployment.yaml 's/enableServiceLinks/enableServiceLink/' 'enableServiceLink'
seeded kubernetes kubernetes/deployment.yaml 's/failureThreshold: 30/failureTreshold: 30/' 'failureTreshold'
seeded kubernetes kubernetes/service.yaml 's/port: 443/port: "443"/' '443'
seeded kubernetes kubernetes/poddisruptionbudget.yaml 's/maxUnavailable/maxUnavailables/' 'maxUnavailables'
seeded kubernetes kubernetes/networkpolicy.yaml 's/podSelector:/podSelectors:/' 'podSelector'
seeded kubernetes kubernetes/horizontalpodautoscaler.yaml 's/maxReplicas: 12/maxReplica: 12/' 'maxReplica'
# What none of them does.
seeded kubernetes kubernetes/service.yaml '0,/targetPort: kms/s//targetPort: kmss/' 'no container has a port kmss'
seeded kubernetes kubernetes/deployment.yaml 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 30/' 'terminationGracePeriodSeconds: 30 is not more'
seeded kubernetes kubernetes/deployment.yaml 's/hugepages-2Mi: 960Mi/hugepages-2Mi: 512Mi/' 'hugepages are 512Mi'
seeded kubernetes kubernetes/deployment.yaml 's/value: "16"/value: "17"/' 'not the enclave of CID 17'
seeded kubernetes kubernetes/deployment.yaml '0,/drop: \["ALL"\]/s//drop: ["KILL"]/' 'container enclave may do more'
seeded kubernetes kubernetes/node.sh 's/memory_mib: 960/memory_mib: 512/' 'node.sh sets aside something else'
seeded kubernetes kubernetes/seccomp.json 's/"ptrace"/"ptrase"/' 'no system call ptrase'
seeded kubernetes kubernetes/deployment.yaml '0,/path: \/readyz/s//path: \/ready/' 'a probe of the enclave asks for /ready'
seeded kubernetes kubernetes/deployment.yaml 's/serviceAccountName: attested-random/&s/' 'no ServiceAccount attested-randoms'
seeded kubernetes kubernetes/deployment.yaml 's/name: parent-proxy$/name: parent-proxies/' 'no ConfigMap parent-proxies'
seeded kubernetes kubernetes/deployment.yaml '0,/- name: nitro-log$/s//&s/' 'mounts nitro-logs'
seeded kubernetes kubernetes/deployment.yaml 's#image: attested-random/parent-proxy#image: attested-random/proxy#' 'where attested-random/proxy comes from'
seeded kubernetes kubernetes/deployment.yaml 's#/parent-proxy.toml"#/proxy.toml"#' 'the relay does not read its file'
seeded kubernetes kubernetes/deployment.yaml 's/secretName: attested-random/&s/' 'README.md has no command: create secret'
seeded kubernetes kubernetes/deployment.yaml 's/k8s-dp: enabled/k8s: enabled/' 'README.md has no command: label node'
seeded kubernetes kubernetes/deployment.yaml 's/localhostProfile: attested-random/&s/' 'node.sh does not install .*attested-randoms.json'
seeded kubernetes kubernetes/deployment.yaml '/restartPolicy: Always/d' 'the enclave is no sidecar'
seeded kubernetes kubernetes/deployment.yaml 's/maxSurge: 0/maxSurge: 1/' 'a new pod needs the place'
seeded kubernetes kubernetes/deployment.yaml 's/mountPath: .dev.hugepages/&s/' 'nitro-cli has no /dev/hugepages'
seeded kubernetes kubernetes/deployment.yaml 's/runAsUser: 65532/runAsUser: 0/' 'the relay is root'
seeded kubernetes kubernetes/horizontalpodautoscaler.yaml 's/^    name: attested-random$/&s/' 'the scaling is of attested-randoms'
seeded kubernetes kubernetes/prometheus-adapter.yaml 's/pod: \{resource: pod\}/pod: {resource: pods}/' 'label pod is of the resource pods'
seeded kubernetes kubernetes/scrape.yaml 's/attested-random-metrics;metrics/attested-random;metrics/' 'does not keep attested-random-metrics;metrics'
seeded kubernetes kubernetes/parent-proxy.toml 's/^proxy_protocol = true//' 'proxy_protocol is not what README.md'
seeded kubernetes kubernetes/parent-proxy.toml 's/:5001"/:5011"/' 'config_listen is not where enclaves connect'
seeded kubernetes kubernetes/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not where enclaves connect'
seeded kubernetes kubernetes/parent-proxy.toml 's/0.0.0.0:9100/0.0.0.0:9101/' 'no probe reaches the relay'
seeded kubernetes kubernetes/parent-proxy.toml 's/^drain_timeout/drain_time/' 'drain_time'
seeded kubernetes kubernetes/prometheus-adapter.yaml 's/as: attested_random_nsm_busy/as: attested_random_nsm/' 'attested_random_nsm_busy'
seeded kubernetes kubernetes/scrape.yaml 's/action: keep/action: keeps/' 'keeps'

seeded systemd systemd/parent-proxy.service 's/^WatchdogSec/WatchdogSecs/' 'Unknown key .*WatchdogSecs'
seeded systemd systemd/parent-proxy.service 's/^Type=notify/Type=notified/' 'notified'
seeded systemd systemd/parent-proxy.service 's/AF_VSOCK/AF_VSOKK/' 'AF_VSOKK'
seeded systemd systemd/parent-proxy.service 's#^ExecStart=/usr/local/bin/#&the-#' 'the-parent-proxy is not executable'
seeded systemd systemd/parent-proxy.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser)=.*//' 'exposure level for parent-proxy.service'
seeded systemd systemd/parent-proxy.service 's/^LimitNOFILE=.*/LimitNOFILE=4096/' '4096 files are too few'
seeded systemd systemd/parent-proxy.socket 's/^ListenStream=8000/ListenStream=80000/' 'ListenStream|80000'
seeded systemd systemd/attested-random-enclave@.service 's/^KillMode=mixed/KillMode=mix/' 'KillMode|mix'
seeded systemd systemd/attested-random-enclave@.service 's/^After=(nitro.*)/After=\1\nRequires=\1/' 'allocator'
seeded systemd systemd/attested-random-enclave@.service 's/^(ProtectSystem|CapabilityBoundingSet|NoNewPrivileges|DynamicUser|SystemCallFilter|DevicePolicy|DeviceAllow)=.*//' 'exposure level for attested-random-enclave'
seeded systemd systemd/attested-random-unready@.service 's/^Type=oneshot/Type=once/' 'once'
seeded systemd systemd/attested-random-unready@.timer 's/^OnUnitInactiveSec=30s/OnUnitInactiveSec=often/' 'often'
seeded systemd systemd/parent-proxy.service 's/^Type=notify/Type=exec/' 'without Type=notify'
seeded systemd systemd/parent-proxy.service 's/kill -USR2/kill -HUP/' 'without ExecReload'
seeded systemd systemd/parent-proxy.service 's/^NotifyAccess=main/NotifyAccess=none/' 'is not to know of the new process'
seeded systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/LoadCredential=config.tar:\/etc\/a/' 'a copy of the archive'
seeded systemd systemd/parent-proxy.service 's/^SupplementaryGroups=.*/SupplementaryGroups=ne/' 'permissions are not made by'
seeded systemd systemd/parent-proxy.toml 's#/etc/attested-random/config.tar#/run/config.tar#' 'config_archive is /run/config.tar'
seeded systemd systemd/README.md 's/-m 0640 config.tar/-m 0644 config.tar/' 'permissions are not made by'
seeded systemd systemd/parent-proxy.socket 's/ListenStream/ListenDatagram/' 'not one ListenStream'
seeded systemd systemd/attested-random-enclave@.service 's/ENCLAVE_CID=%i/ENCLAVE_CID=16/' 'its CID is not its instance'
seeded systemd systemd/attested-random-enclave@.service 's/^Restart=always/Restart=no/' 'without Restart=always'
seeded systemd systemd/attested-random-unready@.service '/^RuntimeDirectory=/d' 'without RuntimeDirectory'
seeded systemd systemd/attested-random-unready@.timer '/^OnActiveSec=/d' 'never begins'
seeded systemd systemd/parent-proxy.toml 's/127.0.0.1:9100/127.0.0.1:9101/' 'not where restart-unready.sh asks'
seeded systemd systemd/parent-proxy.toml 's/:5003"/:5013"/' 'log_listen is not where enclaves connect'
seeded systemd nitro-cli/enclave.json 's/memory_mib/memory_mb/' 'enclave.json: .*memory_mb'
seeded systemd nitro-cli/allocator.yaml 's/memory_mib: 1024/memory_mib: 512/' 'nitro-cli/allocator.yaml: memory_mib is 512'
seeded systemd systemd/allocator.yaml 's/memory_mib: 4096/memory_mib: 2048/' 'memory_mib is 2048, the enclaves take 4096'
seeded systemd systemd/allocator.yaml 's/cpu_count: 8/cpus: 8/' 'does not understand: cpus: 8'
seeded systemd systemd/parent-proxy.toml 's/vsock:19:5000/vsock:18:5000/' 'an upstream is not vsock'

seeded prometheus prometheus/alerts.yaml 's/histogram_quantile\(0.99, /histogram_quantile(/' 'expected 2 argument'
seeded prometheus prometheus/alerts.yaml 's/\$labels\.cause/$label.cause/' 'undefined variable'
seeded prometheus prometheus/alerts.yaml 's/attested_random_verification_rejected_total/attested_random_verification_refused_total/' 'AttestedRandomVerificationQueueFull|no metric is named'
seeded prometheus prometheus/alerts.yaml 's/> 0.01/> 0.05/' 'AttestedRandomErrors'
seeded prometheus prometheus/alerts.yaml 's/(proxy_connections_open\)) > 3276/\1 > 32/' 'AttestedRandomConnectionsNearLimit'
seeded prometheus prometheus/alerts_test.yaml 's/AttestedRandomClockDisagrees fires/AttestedRandomClockDisagrees/' 'has no test in which it fires'
seeded prometheus prometheus/alerts.yaml 's/\{severity: page\}/{severity: pages}/' 'severity pages is neither'
seeded prometheus prometheus/alerts.yaml 's/\{severity: ticket\}/{severity: page}/' 'docs/operating.md lists the alerts that wake'
seeded prometheus prometheus/alerts.yaml 's/runbook: A rollout/run: A rollout/' 'AttestedRandomVersionsDiffer: no summary or no runbook'
seeded prometheus prometheus/alerts.yaml 's/relay \{\{ \$labels.instance \}\} has no/relay {{ $labels.upstream }} has no/' 'AttestedRandomRelayNotReady: says \$labels.upstream'
seeded prometheus prometheus/prometheus.yaml 's/static_configs/static_config/' 'static_config'

seeded grafana grafana/dashboard.json '1s/\{/{,/' 'Expecting property name'
seeded grafana grafana/dashboard.json 's/histogram_quantile\(0.5,/histogram_quantile(0.5/' 'parse error|unexpected'
seeded grafana grafana/dashboard.json 's/attested_random_nsm_blocks_ready/attested_random_nsm_blocks_stocked/' 'no metric is named attested_random_nsm_blocks_stocked'
seeded grafana grafana/dashboard.json 's/sum by \(cache\)/sum by (familiarity)/' 'nothing in it has the label familiarity'
seeded grafana grafana/dashboard.json 's/outcome!=\\"ready\\"/outcome!=\\"fine\\"/' 'outcome of attested_random_proxy_health_checks_total is never fine'
seeded grafana grafana/dashboard.json 's/\{\{outcome\}\}/{{result}}/' 'a legend has .*result'
seeded grafana grafana/dashboard.json 's/"id": 7,/"id": 8,/' 'an id is there twice'
seeded grafana grafana/dashboard.json 's/"unit": "s"/"unit": "sec"/' 'no unit, or one that Grafana has not'
seeded grafana grafana/dashboard.json '0,/"type": "timeseries"/s//"type": "timeserie"/' 'Grafana has no panel timeserie'
seeded grafana grafana/dashboard.json 's/("w": )8/\19/' 'lies over another panel'
seeded grafana grafana/dashboard.json 's/"uid": "\$\{datasource\}"/"uid": "prometheus"/' 'asks another Prometheus'
seeded grafana grafana/dashboard.json 's/\$instance/$relay/' 'a variable that nobody sets'

seeded scripts nitro-cli/run-enclave.sh 's/terminate-enclave/console/' 'told'
seeded scripts nitro-cli/run-enclave.sh 's/^exit 1$/exit 0/' 'ended: status 0'

seeded scripts systemd/restart-unready.sh 's/-mmin \+5/-mmin +3/' 'after 4 minutes of 16 0'
seeded scripts systemd/restart-unready.sh 's/vsock:\$cid:/vsock:[0-9]*:/' 'after 6 minutes of 17 0'

if [[ ${BIN:-} ]]; then
    seeded metrics check/metrics.txt 's/^attested_random_proxy_ready gauge/attested_random_proxy_ready counter/' 'proxy_ready is a gauge, not a counter'
    seeded metrics check/metrics.txt 's/^attested_random_proxy_connections_open/&ed/' 'connections_opened is in metrics.txt, and shown by nobody'
    seeded metrics check/metrics.txt 's/^(attested_random_nsm_faults counter) cause/\1/' 'nsm_faults has the label cause'
    seeded metrics check/metrics.txt 's/source=prefetched\|on_demand/source=prefetched/' 'source="on_demand"'
    seeded metrics check/metrics.txt 's/^(attested_random_nsm_blocks_expired counter)/\1 cause/' 'nsm_blocks_expired is not seen with the label cause'
    seeded metrics systemd/parent-proxy.toml 's/^drain_timeout/drain_time/' 'systemd/parent-proxy.toml: .*drain_time'
    seeded metrics kubernetes/parent-proxy.toml 's/vsock:16:5000/vsock:sixteen:5000/' 'kubernetes/parent-proxy.toml'
fi

echo "mistakes: $caught noticed, $missed not"
[[ $missed == 0 ]]
