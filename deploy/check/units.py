"""What must agree between the units, their relay's file and the allocator's.

units.py DEPLOY
"""

import pathlib
import re
import sys
import tomllib

FOLDER = pathlib.Path(sys.argv[1]) / "systemd"
wrong = []


def demand(holds, otherwise):
    if not holds:
        wrong.append(otherwise)


def allocator(path):
    """The keys of an allocator.yaml, as strictly as the allocator itself reads it."""
    lines = path.read_text().splitlines()
    demand("---" in lines, f"{path.name}: the allocator skips all before a line ---")
    keys = {}
    for number, line in enumerate(lines, 1):
        if line == "---" or re.match(r"\s*#", line):
            continue
        key, _, value = line.partition(":")
        demand(key in ("memory_mib", "cpu_count") and value.strip().isdigit(),
               f"{path.name}:{number}: the allocator does not understand: {line}")
        keys[key] = int(value) if value.strip().isdigit() else 0
    return keys


def setting(unit, key):
    """The values of a key of a unit, the last one last."""
    return re.findall(rf"^{key}=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE)


file = tomllib.loads((FOLDER / "parent-proxy.toml").read_text())
environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(setting("attested-random-enclave@.service", "Environment"))))
cids = [re.fullmatch(r"vsock:(\d+):5000,admin=vsock:\1:5002", upstream) for upstream in file["upstream"]]
demand(all(cids), "parent-proxy.toml: an upstream is not vsock:CID:5000,admin=vsock:CID:5002")
demand(len(cids) <= 4, "parent-proxy.toml: an instance has four enclaves at most")
demand(len({cid and cid[1] for cid in cids}) == len(cids), "parent-proxy.toml: a CID is there twice")

given = allocator(FOLDER / "allocator.yaml")
for key, name in (("memory_mib", "ENCLAVE_MEMORY_MIB"), ("cpu_count", "ENCLAVE_CPU_COUNT")):
    asked = len(cids) * int(environment[name])
    demand(given.get(key) == asked, f"allocator.yaml: {key} is {given.get(key)}, the enclaves take {asked}")

demand(file["listen"] == "systemd", "parent-proxy.toml: the relay does not take the socket")
stop = int(setting("parent-proxy.service", "TimeoutStopSec")[-1])
demand(stop > file["drain_timeout"], f"parent-proxy.service: stopped after {stop} s, before it has drained")
files = int(setting("parent-proxy.service", "LimitNOFILE")[-1])
demand(files >= 2 * file.get("max_connections", 4096) + 1024, f"parent-proxy.service: {files} files are too few")
families = setting("parent-proxy.service", "RestrictAddressFamilies")[-1].split()
demand("AF_VSOCK" in families and "AF_UNIX" in families, "parent-proxy.service: reaches no enclave, or no systemd")
demand("nitro-enclaves-allocator" not in " ".join(setting("attested-random-enclave@.service", "(?:Requires|Wants|BindsTo)")),
       "attested-random-enclave@.service: to require the allocator runs it again under the other enclaves")

if wrong:
    sys.exit("\n".join(wrong))
