#!/usr/bin/env bash
# Installs the check tools at the pinned versions under target/tools (or $CARGO_TARGET_DIR/tools).
# Does nothing when they are up to date.
#
# With --check it installs nothing; its status says whether they are up to date.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${CARGO_TARGET_DIR:-$here/../../target}/tools
stamp=$tools/stamp

for tool in python3 node npm strip; do
    command -v "$tool" >/dev/null || missing+=" $tool"
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=" python3-venv"
# PyPI has shellcheck for Linux on x86_64 only.
[[ $(uname -m) == x86_64 ]] || command -v shellcheck >/dev/null || missing+=" shellcheck"
if [[ -n ${missing:-} ]]; then
    echo "the check tools need:$missing (e.g. apt-get install python3-venv nodejs npm binutils shellcheck)" >&2
    exit 1
fi

# Everything that decides which versions are installed. A virtual environment cannot be moved, so its
# folder is included, and so are the interpreters.
wanted() (
    realpath -m "$tools"
    python3 --version
    node --version
    cd "$here"
    cat requirements.txt package.json package-lock.json .npmrc setup.sh
)

if wanted | cmp -s - "$stamp"; then
    exit 0
elif [[ ${1:-} == --check ]]; then
    exit 1
fi

# The stamp is written last, so an interrupted installation starts over.
echo "installing the check tools under $(realpath -m "$tools")" >&2
rm -rf "$tools"
mkdir -p "$tools"

python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: --requirement "$here/requirements.txt" || {
    echo "pip cannot install .ci/tools/requirements.txt (see above): is PyPI reachable?" >&2
    exit 1
}
# Debug information makes up 300 of 318 MB of this file.
strip "$tools/venv/bin/lychee"
[[ -x $tools/venv/bin/shellcheck ]] || ln -s "$(command -v shellcheck)" "$tools/venv/bin/shellcheck"

cp "$here"/{package.json,package-lock.json,.npmrc} "$tools"
npm ci --prefix "$tools" --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null || {
    echo "npm cannot install .ci/tools/package-lock.json (see above): is the npm registry reachable?" >&2
    exit 1
}

wanted >"$stamp"
