"""What must agree between the units, their relay's file and the allocator's.

units.py DEPLOY
"""

import json
import pathlib
import re
import sys
import tomllib

from server import disagreements

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


def has(unit, *lines):
    text = (FOLDER / unit).read_text().splitlines()
    for line in lines:
        demand(line in text, f"{unit}: without {line}")


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

# What systemd takes either way, and what it is for would be lost.
start = setting("parent-proxy.service", "ExecStart")[-1]
demand(start == "/usr/local/bin/parent-proxy --config /etc/attested-random/parent-proxy.toml",
       f"parent-proxy.service: starts {start}")
# By its path, so that each enclave that boots gets what is there by then; a credential is a copy of the start.
archive, readme = file["config_archive"], (FOLDER / "README.md").read_text()
demand(archive == "/etc/attested-random/config.tar", f"parent-proxy.toml: config_archive is {archive}")
demand(not setting("parent-proxy.service", "LoadCredential"), "parent-proxy.service: a copy of the archive")
[group] = setting("parent-proxy.service", "SupplementaryGroups") or [None]
for command in (f"groupadd --system {group}", f"install -o root -g {group} -m 0640 config.tar {archive}.new",
                f"mv {archive}.new {archive}"):
    demand(command in readme, f"README.md: the archive's permissions are not made by {command}")
has("parent-proxy.service", "Requires=parent-proxy.socket", "Type=notify", "ExecReload=/bin/kill -USR2 $MAINPID", "Restart=always")
demand(setting("parent-proxy.service", "NotifyAccess")[-1] in ("main", "all"),
       "parent-proxy.service: systemd is not to know of the new process after an upgrade")
sockets = setting("parent-proxy.socket", r"Listen\w+")
demand(len(sockets) == 1 == len(setting("parent-proxy.socket", "ListenStream")), "parent-proxy.socket: not one ListenStream")
has("attested-random-enclave@.service", "Before=parent-proxy.service", "Restart=always", "KillMode=mixed")
demand(environment["ENCLAVE_CID"] == "%i", "attested-random-enclave@.service: its CID is not its instance")
demand(setting("attested-random-enclave@.service", "ConditionPathExists") == [environment["EIF"]],
       "attested-random-enclave@.service: waits for another image than it starts")
has("attested-random-unready@.service", "ExecStart=/opt/attested-random/restart-unready.sh %i",
    "RuntimeDirectory=attested-random-unready", "RuntimeDirectoryPreserve=yes")
timers = [setting("attested-random-unready@.timer", key) for key in ("OnActiveSec", "OnUnitInactiveSec")]
demand(all(timers), "attested-random-unready@.timer: never begins, or never comes again")

# Where the restarts' script asks, the relay answers.
asked = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", (FOLDER / "restart-unready.sh").read_text())[1]
demand(file["admin_listen"] in (f"127.0.0.1:{asked}", f"0.0.0.0:{asked}"),
       f"parent-proxy.toml: admin_listen is not where restart-unready.sh asks, 127.0.0.1:{asked}")
wrong += disagreements(readme, file)

# One enclave by hand.
by_hand = FOLDER.parent / "nitro-cli"
enclave, given = json.loads((by_hand / "enclave.json").read_text()), allocator(by_hand / "allocator.yaml")
keys = {"enclave_name", "eif_path", "cpu_count", "memory_mib", "enclave_cid", "debug_mode"}
demand(enclave.keys() == keys, f"enclave.json: {sorted(enclave.keys() ^ keys)}")
for key in ("memory_mib", "cpu_count"):
    demand(given.get(key) == enclave.get(key), f"nitro-cli/allocator.yaml: {key} is {given.get(key)}, the enclave takes {enclave.get(key)}")

if wrong:
    sys.exit("\n".join(wrong))
