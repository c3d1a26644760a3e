"""Checks values that must agree between the manifests, which no schema can express. Reads the built manifests from stdin.

kubernetes.py DEPLOY
"""

import ctypes
import json
import pathlib
import re
import sys
import tomllib

import yaml

from server_table import mismatches

DEPLOY = pathlib.Path(sys.argv[1])
objects = {(item["kind"], item["metadata"]["name"]): item
            for item in yaml.safe_load_all(sys.stdin.read())}
errors = []


def require(condition, message):
    if not condition:
        errors.append(message)


def find(kind, name="attested-random"):
    return objects[kind, name]


deployment = find("Deployment")
pod = deployment["spec"]["template"]["spec"]
labels = deployment["spec"]["template"]["metadata"]["labels"].items()
enclave, = pod["initContainers"]
proxy, = pod["containers"]

# Selectors of the pods.
selectors = {
    "Service": find("Service")["spec"]["selector"],
    "the headless Service": find("Service", "attested-random-metrics")["spec"]["selector"],
    "PodDisruptionBudget": find("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    "NetworkPolicy": find("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    "the spread": pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
}
for selecting, selector in selectors.items():
    require(selector.items() <= labels, f"{selecting} selects {selector}, which is not a label of the pods")

# Ports by name.
ports = {port["name"]: port["containerPort"] for port in proxy["ports"]}
named = [port["targetPort"] for name in ("attested-random", "attested-random-metrics")
         for port in find("Service", name)["spec"]["ports"]]
named += [port["port"] for rule in find("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
named += [proxy[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
for port in named:
    require(port in ports, f"no container has a port {port}")
require(enclave["livenessProbe"]["httpGet"]["port"] == ports.get("metrics"),
        "the enclave's probe does not query the relay")
for component, probe, path in (("enclave", enclave["livenessProbe"], "/readyz"),
                         ("relay", proxy["livenessProbe"], "/healthz"),
                         ("relay", proxy["readinessProbe"], "/readyz")):
    require(probe["httpGet"]["path"] == path, f"a probe of the {component} requests {probe['httpGet']['path']}, not {path}")

# Referenced objects exist.
scaled = find("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
require((scaled["kind"], scaled["name"]) in objects, f"the autoscaler scales {scaled['name']}, which does not exist")
require(("ServiceAccount", pod["serviceAccountName"]) in objects, f"no ServiceAccount {pod['serviceAccountName']}")
volumes = {volume["name"]: volume for volume in pod["volumes"]}
for volume in volumes.values():
    name = volume.get("configMap", {}).get("name")
    require(not name or ("ConfigMap", name) in objects, f"no ConfigMap {name}")
for container in (enclave, proxy):
    for mount in container["volumeMounts"]:
        require(mount["name"] in volumes, f"container {container['name']} mounts {mount['name']}, which is not a volume")
kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
images = {f"{image['newName']}:{image['newTag']}" for image in kustomization["images"]}
for container in (enclave, proxy):
    require(container["image"] in images, f"kustomization.yaml has no source for {container['image']}")

# The configuration of the relay.
settings, = (item for (kind, name), item in objects.items() if kind == "ConfigMap")
file = tomllib.loads(settings["data"]["parent-proxy.toml"])
environment = {entry["name"]: entry["value"] for entry in enclave["env"]}
cid = environment["ENCLAVE_CID"]
require(file["upstream"] == [f"vsock:{cid}:5000,admin=vsock:{cid}:5002"],
        f"the relay's upstream is not the enclave of CID {cid}")
require(file["listen"].endswith(f":{ports.get('kms')}"), "the relay does not listen on the port of clients")
require(file["admin_listen"].endswith(f":{ports.get('metrics')}"), "no probe reaches the relay")
mounts = {mount["name"]: mount["mountPath"] for mount in proxy["volumeMounts"]}
require(file["config_archive"] == mounts["configuration"] + "/config.tar", "config_archive is not in the Secret")
require(proxy["args"] == ["--config", mounts["settings"] + "/parent-proxy.toml"], "the relay does not read its file")
readme = (DEPLOY / "kubernetes/README.md").read_text()
secret = f"create secret generic {volumes['configuration']['secret']['secretName']} --from-file=config.tar"
for command in (secret, *("label node NODE " + "=".join(label) for label in pod["nodeSelector"].items())):
    require(command in readme, f"README.md has no command: {command}")
errors += mismatches(readme, file)

# Start and end of a pod.
require(enclave.get("restartPolicy") == "Always", "the enclave is not a sidecar: the relay would wait for its end")
require(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0, "maxSurge must be 0: a new pod needs the node of an old one")
grace = pod["terminationGracePeriodSeconds"]
least = proxy["lifecycle"]["preStop"]["sleep"]["seconds"] + file["drain_timeout"] + 10
require(grace > least, f"terminationGracePeriodSeconds: {grace} is not more than {least}")

# The enclave requests the resources that the node reserves.
folders = {mount["mountPath"] for mount in enclave["volumeMounts"]}
for folder in ("/run/nitro_enclaves", "/var/log/nitro_enclaves", "/dev/hugepages"):
    require(folder in folders, f"nitro-cli needs the mount {folder}")
limits = enclave["resources"]["limits"]
memory = f"{environment['ENCLAVE_MEMORY_MIB']}Mi"
require(limits["hugepages-2Mi"] == memory, f"the hugepages limit is {limits['hugepages-2Mi']}, not {memory}")
require(limits["aws.ec2.nitro/nitro_enclaves"] == "1", "the limit of enclaves is not 1")
node = (DEPLOY / "kubernetes/node.sh").read_text()
require(f"memory_mib: {environment['ENCLAVE_MEMORY_MIB']}\\ncpu_count: {environment['ENCLAVE_CPU_COUNT']}\\n"
        in node, "node.sh does not reserve the resources of the enclave")

# Least privilege.
require(not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"], "the pod has a service account token or service links")
for container in (enclave, proxy):
    rights = container["securityContext"]
    require(rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
            and rights["capabilities"] == {"drop": ["ALL"]} and not rights.get("privileged"),
            f"container {container['name']} has unnecessary rights")
require(proxy["securityContext"]["runAsNonRoot"] and proxy["securityContext"]["runAsUser"], "the relay runs as root")

# The metrics of the autoscaler and their sources.
rules = yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter.yaml").read_text())["rules"]["custom"]
for rule in rules:
    for label, of in rule["resources"]["overrides"].items():
        require(label == of["resource"], f"prometheus-adapter: the label {label} maps to the resource {of['resource']}")
job, = yaml.safe_load((DEPLOY / "kubernetes/scrape.yaml").read_text())["scrape_configs"]
require(job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [kustomization["namespace"]],
        "scrape.yaml: the namespace differs from kustomization.yaml")
metrics = find("Service", "attested-random-metrics")
port = f"{metrics['metadata']['name']};{metrics['spec']['ports'][0]['name']}"
require(re.fullmatch(job["relabel_configs"][0]["regex"], port), f"scrape.yaml does not keep {port}")
provided = {rule["name"]["as"] for rule in rules}
requested = {metric["pods"]["metric"]["name"] for metric in find("HorizontalPodAutoscaler")["spec"]["metrics"]}
require(requested == provided, f"the autoscaler requests {sorted(requested)}, prometheus-adapter provides {sorted(provided)}")

# The seccomp profile is at the path of the kubelet. A misspelled system call would not be forbidden.
profile = "/var/lib/kubelet/seccomp/" + pod["securityContext"]["seccompProfile"]["localhostProfile"]
require(profile in node.split(), f"node.sh does not install {profile}")
seccomp = ctypes.CDLL("libseccomp.so.2")
for rule in json.loads((DEPLOY / "kubernetes/seccomp.json").read_text())["syscalls"]:
    for name in rule["names"]:
        require(seccomp.seccomp_syscall_resolve_name(name.encode()) != -1, f"seccomp.json: no system call {name}")

if errors:
    sys.exit("\n".join(errors))
