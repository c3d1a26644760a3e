"""Compares metrics.txt with the metrics of a relay and its enclave, and lets the relay parse its configuration files.

scrape.py DEPLOY BIN: BIN is the folder of enclave-simulator and parent-proxy.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DEPLOY, BIN = map(pathlib.Path, sys.argv[1:])
# The label that the relay adds to an enclave's metrics, and the label of histogram buckets.
ADDED_LABELS = {"upstream", "le"}
TIMEOUT_SECONDS = 30


def start(program, *arguments, listeners=1):
    """Starts a program and waits until it has printed its listeners. Returns the process and their addresses."""
    process = subprocess.Popen([BIN / program, *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    lines = [process.stdout.readline().strip() for _ in range(listeners)]
    assert all(" listening on " in line for line in lines), f"{program} did not start: {lines}"
    return process, [line.rpartition(" ")[2] for line in lines]


def fetch(url, **request):
    with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=TIMEOUT_SECONDS) as answer:
        return answer.read().decode()


def is_ready(admin):
    try:
        fetch(f"http://{admin}/readyz")
    except urllib.error.HTTPError:
        return False
    return True


def scrape_relay():
    """Returns the /metrics of a relay after one request through it."""
    running = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            enclave, admin = f"unix:{folder}/enclave", f"unix:{folder}/admin"
            running.append(start("enclave-simulator", "--listen", enclave, "--admin-listen", admin, listeners=2)[0])
            relay, (clients, metrics, _) = start(
                "parent-proxy", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
                "--upstream", f"{enclave},admin={admin},direct=unix:{folder}/direct", "--log-listen", f"unix:{folder}/log",
                "--egress", f"unix:{folder}/out=127.0.0.1:9", listeners=3)
            running.append(relay)
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while not is_ready(metrics):
                assert time.monotonic() < deadline, f"the relay is not ready after {TIMEOUT_SECONDS} s"
                time.sleep(0.05)
            fetch(f"http://{clients}/", data=b'{"NumberOfBytes": 32}', headers={
                "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.GenerateRandom"})
            return fetch(f"http://{metrics}/metrics")
        finally:
            for process in running:
                process.kill()
                process.wait()


def parse_exposition(exposition):
    """Returns the families as {name: (type, {label: values seen})}."""
    families = {name: (kind, {}) for name, kind in
                re.findall(r"^# TYPE (attested_random\w*) (\w+)$", exposition, re.MULTILINE)}
    for name, labels in re.findall(r"^(attested_random\w*)(?:\{(.*)\})? ", exposition, re.MULTILINE):
        family = next((f for f in (name, *(name.removesuffix(s) for s in ("_total", "_bucket", "_count", "_sum")))
                       if f in families), None)
        assert family, f"{name} has no TYPE"
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
            families[family][1].setdefault(label, set()).add(value)
    return families


def parse_metrics_txt():
    """Returns the families of metrics.txt in the same form, with None for values that are not listed."""
    families = {}
    for line in (DEPLOY / "check/metrics.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, kind, *labels = line.split()
            split = [label.partition("=") for label in labels]
            families[name] = kind, {label: set(values.split("|")) if values else None for label, _, values in split}
    return families


def differences(seen, listed):
    for name in sorted(seen.keys() | listed.keys()):
        if name not in seen:
            yield f"{name} is in metrics.txt, but no program exports it"
        elif name not in listed:
            yield f"{name} is exported, but not in metrics.txt"
        elif seen[name][0] != listed[name][0]:
            yield f"{name} is a {seen[name][0]}, not a {listed[name][0]}"
        else:
            for label, values in seen[name][1].items():
                if label not in listed[name][1].keys() | ADDED_LABELS:
                    yield f"{name} has the label {label}"
                elif (expected := listed[name][1].get(label)) and not values <= expected:
                    yield f"{name} has {label}=\"{' '.join(values - expected)}\""
            for label in listed[name][1].keys() - seen[name][1].keys():
                yield f"{name} is not exported with the label {label}"


errors = list(differences(parse_exposition(scrape_relay()), parse_metrics_txt()))
# The configuration files of the manifests and the unit.
for file in ("kubernetes/parent-proxy.toml", "systemd/parent-proxy.toml"):
    result = subprocess.run([BIN / "parent-proxy", "--config", DEPLOY / file, "--print-config"],
                            capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if result.returncode:
        errors.append(f"{file}: {result.stderr.strip()}")
if errors:
    sys.exit("\n".join(errors))
