# shellcheck shell=bash disable=SC2034 # the script that sources this file uses the variables
# Sourced, with `check` set to this folder. Finds the tools of `make check-deploy` in target/check or on the system, and
# downloads missing ones. Sets `kubectl`, `promtool`, `python` and `validate`. No package is installed and no service is
# started: Debian packages are unpacked into target/check, and PyPI packages go into a virtual environment there.
#
# KUBECTL and PROMTOOL override the two commands.

tools=$(realpath -m "${CARGO_TARGET_DIR:-$check/../../target}/check")

missing() {
    echo "make check-deploy needs $1" >&2
    exit 1
}

# Prints the path of the command $2 from Debian's package $1, which it unpacks if needed.
unpacked() {
    local found=$tools/$1/usr/bin/$2 package
    if [[ ! -x $found ]]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
        rm -rf "${tools:?}/$1" && mkdir -p "$tools/$1/download"
        # Package lists can be empty or outdated, so retry after an update.
        (cd "$tools/$1/download" && { apt-get download --quiet=2 "$1" ||
            { apt-get update --quiet=2 && apt-get download --quiet=2 "$1"; }; }) >/dev/null 2>&1 || return
        for package in "$tools/$1/download"/*.deb; do
            dpkg -x "$package" "$tools/$1" || return
        done
        rm -r "$tools/$1/download"
    fi
    echo "$found"
}

# Any version of kubectl: the kustomization uses only features of 1.20, which Debian has.
kubectl=${KUBECTL:-$(command -v kubectl || unpacked kubernetes-client kubectl)} ||
    missing "kubectl: a recent one from pkgs.k8s.io (apt) or dl.k8s.io, or Debian's 1.20 (kubernetes-client)"
promtool=${PROMTOOL:-$(command -v promtool || unpacked prometheus promtool)} ||
    missing "promtool: from Debian's package prometheus, or of prometheus.io's archive"
command -v systemd-analyze >/dev/null ||
    missing "systemd-analyze of systemd 250 or later: apt-get install systemd"

# Skipped if the environment is up to date. The stamp is written last.
python=$tools/venv/bin/python
stamp_content() {
    echo "$tools"
    python3 --version && cat "$check/requirements.txt"
}
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    missing "python3 with venv: apt-get install python3-venv"
if ! stamp_content | cmp -s - "$tools/venv/stamp"; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: --requirement "$check/requirements.txt" ||
        missing "PyPI, for deploy/check/requirements.txt"
    stamp_content >"$tools/venv/stamp"
fi
validate=("$tools/venv/bin/kubernetes-validate" --strict)
