#!/usr/bin/env bash
# Installs moto and MiniStack, and LocalStack if there is a Python 3.13, at the pinned versions, under target/peers
# (or $CARGO_TARGET_DIR/peers). Does nothing if they are up to date.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${CARGO_TARGET_DIR:-$here/../../target}/peers
stamp=$peers/stamp

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "the peers need python3 and python3-venv (e.g. apt-get install python3-venv)" >&2
  exit 1
fi
newer_python=
for candidate in python3.14 python3.13; do
  if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
    newer_python=$candidate
  fi
done

# Everything that decides what is installed. A virtual environment cannot be moved, so its path is included.
wanted() (
  realpath -m "$peers"
  python3 --version
  echo "$newer_python"
  cd "$here"
  cat requirements.txt localstack.txt setup.sh
)

if wanted | cmp -s - "$stamp"; then
  exit 0
fi

# The stamp is written last, so an interrupted installation starts over.
rm -rf "$peers"
mkdir -p "$peers"

# install PYTHON FOLDER REQUIREMENTS
install() {
  "$1" -m venv "$peers/$2"
  "$peers/$2/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: --requirement "$here/$3"
}
install python3 venv requirements.txt
[[ -z $newer_python ]] || install "$newer_python" localstack localstack.txt

wanted >"$stamp"
