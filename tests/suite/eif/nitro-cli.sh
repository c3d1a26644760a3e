#!/bin/bash
# Compares the measurements of an enclave image by nitro-cli with those of attested-recipient.
#
#   tests/suite/eif/nitro-cli.sh FILE.eif [NITRO_CLI]
#
# BIN is the folder of attested-recipient, by default target/release. Without NITRO_CLI, the script uses
# nitro-cli from PATH or from target/nitro-cli. If both are missing, the script installs nitro-cli under
# target/nitro-cli.
set -euo pipefail

readonly VERSION=1.5.2
readonly LOG_DIR=/var/log/nitro_enclaves
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
readonly ROOT
readonly TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
readonly OURS=${BIN:-$TARGET/release}/attested-recipient

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

[[ $# -ge 1 && $# -le 2 ]] || fail "usage: tests/suite/eif/nitro-cli.sh FILE.eif [NITRO_CLI]"
readonly EIF=$1
[[ -r $EIF ]] || fail "cannot read $EIF"
[[ -x $OURS ]] || fail "$OURS is missing: run make build, or set BIN to its folder"
command -v python3 >/dev/null || fail "python3 is missing"

if [[ $# -eq 2 ]]; then
    NITRO_CLI=$2
elif ! NITRO_CLI=$(command -v nitro-cli); then
    NITRO_CLI=$TARGET/nitro-cli/bin/nitro-cli
    if [[ ! -x $NITRO_CLI ]]; then
        echo "installing nitro-cli $VERSION, which takes about seven minutes" >&2
        cargo install --locked aws-nitro-enclaves-cli --version "$VERSION" --root "$TARGET/nitro-cli"
    fi
fi
[[ -x $NITRO_CLI ]] || fail "$NITRO_CLI is not an executable file"
echo "ok: found $("$NITRO_CLI" --version) at $NITRO_CLI"

# nitro-cli writes a log for each command to this folder.
if [[ ! -d $LOG_DIR ]] && ! mkdir -p "$LOG_DIR" 2>/dev/null; then
    fail "nitro-cli needs the folder $LOG_DIR: sudo install -d -m 1777 $LOG_DIR"
fi
[[ -w $LOG_DIR ]] || fail "nitro-cli needs write access to $LOG_DIR: sudo chmod 1777 $LOG_DIR"

THEIRS=$("$NITRO_CLI" describe-eif --eif-path "$EIF") || fail "nitro-cli cannot read $EIF"
MEASURED=$("$OURS" eif "$EIF") || fail "attested-recipient cannot read $EIF"
python3 - "$THEIRS" "$MEASURED" <<'PYTHON'
import json
import sys

theirs, ours = (json.loads(text) for text in sys.argv[1:])
if theirs["CheckCRC"] is not True:
    sys.exit("FAILED: nitro-cli reports that the CRC-32 does not match")
print("ok: CheckCRC is true")
measurements = {name: value for name, value in theirs["Measurements"].items() if name != "HashAlgorithm"}
if measurements.keys() != ours.keys():
    sys.exit(f"FAILED: nitro-cli reports {sorted(measurements)}, attested-recipient {sorted(ours)}")
for name, value in sorted(measurements.items()):
    if ours[name] != value:
        sys.exit(f"FAILED: nitro-cli reports {name} {value}, attested-recipient {ours[name]}")
    print(f"ok: {name} {value}")
PYTHON
