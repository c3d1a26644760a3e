"""Compares metrics.txt with what a relay and the enclave behind it show, and has the relay read its files.

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
# What an enclave's have beside their own, and a histogram's samples.
ADDED = {"upstream", "le"}
SECONDS = 30


def started(program, *arguments, says=1):
    """A program that has said, once each, where it listens, and what it said."""
    process = subprocess.Popen([BIN / program, *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    lines = [process.stdout.readline().strip() for _ in range(says)]
    assert all(" listening on " in line for line in lines), f"{program} does not start: {lines}"
    return process, [line.rpartition(" ")[2] for line in lines]


def text(url, **request):
    with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=SECONDS) as answer:
        return answer.read().decode()


def is_ready(admin):
    try:
        text(f"http://{admin}/readyz")
    except urllib.error.HTTPError:
        return False
    return True


def scraped():
    """The relay's /metrics, when one request has been answered through it."""
    running = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            enclave, admin = f"unix:{folder}/enclave", f"unix:{folder}/admin"
            running.append(started("enclave-simulator", "--listen", enclave, "--admin-listen", admin, says=2)[0])
            relay, (clients, metrics, _) = started(
                "parent-proxy", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
                "--upstream", f"{enclave},admin={admin},direct=unix:{folder}/direct", "--log-listen", f"unix:{folder}/log",
                "--egress", f"unix:{folder}/out=127.0.0.1:9", says=3)
            running.append(relay)
            deadline = time.monotonic() + SECONDS
            while not is_ready(metrics):
                assert time.monotonic() < deadline, "the relay is never ready"
                time.sleep(0.05)
            text(f"http://{clients}/", data=b'{"NumberOfBytes": 32}', headers={
                "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.GenerateRandom"})
            return text(f"http://{metrics}/metrics")
        finally:
            for process in running:
                process.kill()
                process.wait()


def shown(exposition):
    """Families as {name: (type, {label: values seen})}, {} for a family without a sample or a label."""
    families = {name: (kind, {}) for name, kind in
                re.findall(r"^# TYPE (attested_random\w*) (\w+)$", exposition, re.MULTILINE)}
    for name, labels in re.findall(r"^(attested_random\w*)(?:\{(.*)\})? ", exposition, re.MULTILINE):
        family = next((f for f in (name, *(name.removesuffix(s) for s in ("_total", "_bucket", "_count", "_sum")))
                       if f in families), None)
        assert family, f"{name} has no TYPE"
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
            families[family][1].setdefault(label, set()).add(value)
    return families


def listed():
    """The same, of metrics.txt; None for values that are not listed."""
    families = {}
    for line in (DEPLOY / "check/metrics.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, kind, *labels = line.split()
            split = [label.partition("=") for label in labels]
            families[name] = kind, {label: set(of.split("|")) if of else None for label, _, of in split}
    return families


def differences(seen, told):
    for name in sorted(seen.keys() | told.keys()):
        if name not in seen:
            yield f"{name} is in metrics.txt, and shown by nobody"
        elif name not in told:
            yield f"{name} is shown, and not in metrics.txt"
        elif seen[name][0] != told[name][0]:
            yield f"{name} is a {seen[name][0]}, not a {told[name][0]}"
        else:
            for label, values in seen[name][1].items():
                if label not in told[name][1].keys() | ADDED:
                    yield f"{name} has the label {label}"
                elif (of := told[name][1].get(label)) and not values <= of:
                    yield f"{name} has {label}=\"{' '.join(values - of)}\""
            for label in told[name][1].keys() - seen[name][1].keys():
                yield f"{name} is not seen with the label {label}"


wrong = list(differences(shown(scraped()), listed()))
# As the manifests and the unit start it.
for file in ("kubernetes/parent-proxy.toml", "systemd/parent-proxy.toml"):
    said = subprocess.run([BIN / "parent-proxy", "--config", DEPLOY / file, "--print-config"],
                          capture_output=True, text=True, timeout=SECONDS)
    if said.returncode:
        wrong.append(f"{file}: {said.stderr.strip()}")
if wrong:
    sys.exit("\n".join(wrong))
