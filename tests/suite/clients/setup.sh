#!/usr/bin/env bash
# Installs the clients that the tests run, in the pinned versions, under target/clients (or
# $CARGO_TARGET_DIR/clients). Does nothing if they are up to date.
#
# --check installs nothing. The exit status is 0 if the clients are up to date.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients=${CARGO_TARGET_DIR:-$here/../../../target}/clients
stamp=$clients/stamp

for tool in python3 node npm openssl; do
  command -v "$tool" >/dev/null || missing+=" $tool"
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=" python3-venv"
if [[ -n ${missing:-} ]]; then
  echo "the real clients need:$missing (e.g. apt-get install python3-venv nodejs npm openssl)" >&2
  exit 1
fi
# The SDK for JavaScript supports no older version, and older versions lack Web Crypto, which aws4fetch needs.
node_version=$(node --version)
node_major=${node_version#v}
if ((${node_major%%.*} < 20)); then
  echo "the real clients need Node.js 20 or later, but $(command -v node) is $node_version" \
    "(docs/CONTRIBUTING.md says how to install one)" >&2
  exit 1
fi

# Prints everything that the installation depends on. The path is part of it, because a virtual environment
# cannot be moved.
stamp_content() (
  realpath -m "$clients"
  python3 --version
  node --version
  cd "$here"
  cat requirements.txt package.json package-lock.json .npmrc setup.sh
)

if stamp_content | cmp -s - "$stamp"; then
  exit 0
elif [[ ${1:-} == --check ]]; then
  exit 1
fi

# The stamp is written last, so that an interrupted run starts again.
rm -rf "$clients"
mkdir -p "$clients"

python3 -m venv "$clients/venv"
"$clients/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
  --only-binary :all: --requirement "$here/requirements.txt"

cp "$here"/{package.json,package-lock.json,.npmrc} "$clients"
npm ci --prefix "$clients" --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null

stamp_content >"$stamp"
