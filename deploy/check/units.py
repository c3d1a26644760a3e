"""Checks values that must agree between the units, the configuration of the relay and the allocator's.

units.py DEPLOY
"""

import json
import pathlib
import re
import sys
import tomllib

from server_table import mismatches

FOLDER = pathlib.Path(sys.argv[1]) / "systemd"
errors = []


def require(condition, message):
    if not condition:
        errors.append(message)


def allocator(path):
    """Parses an allocator.yaml as strictly as the allocator does."""
    lines = path.read_text().splitlines()
    require("---" in lines, f"{path.name}: there is no line ---, and the allocator skips all lines before it")
    keys = {}
    for number, line in enumerate(lines, 1):
        if line == "---" or re.match(r"\s*#", line):
            continue
        key, _, value = line.partition(":")
        require(key in ("memory_mib", "cpu_count") and value.strip().isdigit(),
                f"{path.name}:{number}: the allocator cannot parse: {line}")
        keys[key] = int(value) if value.strip().isdigit() else 0
    return keys


def setting(unit, key):
    """Returns the values of a key of a unit, in file order."""
    return re.findall(rf"^{key}=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE)


def require_lines(unit, *lines):
    text = (FOLDER / unit).read_text().splitlines()
    for line in lines:
        require(line in text, f"{unit}: missing {line}")


file = tomllib.loads((FOLDER / "parent-proxy.toml").read_text())
environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(setting("attested-random-enclave@.service", "Environment"))))
cids = [re.fullmatch(r"vsock:(\d+):5000,admin=vsock:\1:5002", upstream) for upstream in file["upstream"]]
require(all(cids), "parent-proxy.toml: an upstream is not vsock:CID:5000,admin=vsock:CID:5002")
require(len(cids) <= 4, "parent-proxy.toml: an instance runs at most four enclaves")
require(len({cid and cid[1] for cid in cids}) == len(cids), "parent-proxy.toml: a CID occurs twice")

provided = allocator(FOLDER / "allocator.yaml")
for key, name in (("memory_mib", "ENCLAVE_MEMORY_MIB"), ("cpu_count", "ENCLAVE_CPU_COUNT")):
    requested = len(cids) * int(environment[name])
    require(provided.get(key) == requested, f"allocator.yaml: {key} is {provided.get(key)}, the enclaves need {requested}")

require(file["listen"] == "systemd", "parent-proxy.toml: the relay does not use the systemd socket")
stop = int(setting("parent-proxy.service", "TimeoutStopSec")[-1])
require(stop > file["drain_timeout"], f"parent-proxy.service: TimeoutStopSec {stop} is not more than drain_timeout")
files = int(setting("parent-proxy.service", "LimitNOFILE")[-1])
require(files >= 2 * file.get("max_connections", 4096) + 1024, f"parent-proxy.service: LimitNOFILE {files} is too low")
families = setting("parent-proxy.service", "RestrictAddressFamilies")[-1].split()
require("AF_VSOCK" in families and "AF_UNIX" in families, "parent-proxy.service: RestrictAddressFamilies lacks AF_VSOCK or AF_UNIX")
require("nitro-enclaves-allocator" not in " ".join(setting("attested-random-enclave@.service", "(?:Requires|Wants|BindsTo)")),
        "attested-random-enclave@.service: a dependency on the allocator would run it again while enclaves run")

# Settings that systemd accepts in any form, but that must have these values.
start = setting("parent-proxy.service", "ExecStart")[-1]
require(start == "/usr/local/bin/parent-proxy --config /etc/attested-random/parent-proxy.toml",
        f"parent-proxy.service: ExecStart is {start}")
# The archive is passed by path, so that each enclave receives the current file. A credential would be a copy made at start.
archive, readme = file["config_archive"], (FOLDER / "README.md").read_text()
require(archive == "/etc/attested-random/config.tar", f"parent-proxy.toml: config_archive is {archive}")
require(not setting("parent-proxy.service", "LoadCredential"), "parent-proxy.service: LoadCredential would copy the archive")
[group] = setting("parent-proxy.service", "SupplementaryGroups") or [None]
for command in (f"groupadd --system {group}", f"install -o root -g {group} -m 0640 config.tar {archive}.new",
                f"mv {archive}.new {archive}"):
    require(command in readme, f"README.md has no command: {command}")
require_lines("parent-proxy.service", "Requires=parent-proxy.socket", "Type=notify", "ExecReload=/bin/kill -USR2 $MAINPID", "Restart=always")
require(setting("parent-proxy.service", "NotifyAccess")[-1] in ("main", "all"),
        "parent-proxy.service: NotifyAccess must admit the new process after an upgrade")
sockets = setting("parent-proxy.socket", r"Listen\w+")
require(len(sockets) == 1 == len(setting("parent-proxy.socket", "ListenStream")), "parent-proxy.socket: there must be exactly one ListenStream")
require_lines("attested-random-enclave@.service", "Before=parent-proxy.service", "Restart=always", "KillMode=mixed")
require(environment["ENCLAVE_CID"] == "%i", "attested-random-enclave@.service: ENCLAVE_CID is not the instance name")
require(setting("attested-random-enclave@.service", "ConditionPathExists") == [environment["EIF"]],
        "attested-random-enclave@.service: ConditionPathExists is not the image that it starts")
require_lines("attested-random-unready@.service", "ExecStart=/opt/attested-random/restart-unready.sh %i",
    "RuntimeDirectory=attested-random-unready", "RuntimeDirectoryPreserve=yes")
timers = [setting("attested-random-unready@.timer", key) for key in ("OnActiveSec", "OnUnitInactiveSec")]
require(all(timers), "attested-random-unready@.timer: OnActiveSec or OnUnitInactiveSec is missing")

# The proxy for clients: no user but root can take its address, and it waits for the current requests.
require_lines("attested-recipient-proxy.service", "Requires=attested-recipient-proxy.socket", "Type=notify", "Restart=always")
[address] = setting("attested-recipient-proxy.socket", r"Listen\w+") or [""]
port = re.fullmatch(r"127\.0\.0\.1:(\d+)", address)
require(port and 0 < int(port[1]) < 1024, f"attested-recipient-proxy.socket: {address} is not a loopback address with a port below 1024")
start = setting("attested-recipient-proxy.service", "ExecStart")[-1]
require(start.startswith("/usr/local/bin/attested-recipient proxy --listen systemd "),
        f"attested-recipient-proxy.service: ExecStart is {start}")
require("--simulator" not in (FOLDER / "attested-recipient-proxy.service").read_text(),
        "attested-recipient-proxy.service: --simulator proves nothing")
stop = int(setting("attested-recipient-proxy.service", "TimeoutStopSec")[-1])
require(stop > 32, f"attested-recipient-proxy.service: TimeoutStopSec {stop} is not more than the default of --timeout and 2 s")

# restart-unready.sh queries the admin listener of the relay.
requested = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", (FOLDER / "restart-unready.sh").read_text())[1]
require(file["admin_listen"] in (f"127.0.0.1:{requested}", f"0.0.0.0:{requested}"),
        f"parent-proxy.toml: admin_listen is not the address that restart-unready.sh queries, 127.0.0.1:{requested}")
errors += mismatches(readme, file)

# The files for one enclave without systemd.
by_hand = FOLDER.parent / "nitro-cli"
enclave, provided = json.loads((by_hand / "enclave.json").read_text()), allocator(by_hand / "allocator.yaml")
keys = {"enclave_name", "eif_path", "cpu_count", "memory_mib", "enclave_cid", "debug_mode"}
require(enclave.keys() == keys, f"enclave.json: {sorted(enclave.keys() ^ keys)}")
for key in ("memory_mib", "cpu_count"):
    require(provided.get(key) == enclave.get(key), f"nitro-cli/allocator.yaml: {key} is {provided.get(key)}, the enclave needs {enclave.get(key)}")

if errors:
    sys.exit("\n".join(errors))
