#!/usr/bin/env bash
# Installs the peers that `make bench-peers` measures the service beside, at the pinned versions, under
# target/peers (or $CARGO_TARGET_DIR/peers). Does nothing when they are up to date.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${CARGO_TARGET_DIR:-$here/../../../target}/peers
stamp=$peers/stamp

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "the peers need python3 and python3-venv (e.g. apt-get install python3-venv)" >&2
  exit 1
fi

# All that decides what gets installed, where, for a virtual environment does not move, and by which
# interpreter.
wanted() (
  realpath -m "$peers"
  python3 --version
  cd "$here"
  cat requirements.txt setup.sh
)

if wanted | cmp -s - "$stamp"; then
  exit 0
fi

# Without a stamp until all is done: what was interrupted starts over.
rm -rf "$peers"
mkdir -p "$peers"

python3 -m venv "$peers/venv"
"$peers/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
  --only-binary :all: --requirement "$here/requirements.txt"

wanted >"$stamp"
