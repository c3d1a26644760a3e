# shellcheck shell=bash disable=SC2034 # the script that sources this file uses the variables
# Sourced, with `check` set to this folder: finds what `make check-deploy` runs, under target/check or on the
# system, and brings what is missing. Sets `kubectl`, `promtool`, `python` and `validate`. No package is
# installed and no service started: Debian's are unpacked into target/check, PyPI's go into a virtual
# environment there.
#
# KUBECTL and PROMTOOL name others.

tools=$(realpath -m "${CARGO_TARGET_DIR:-$check/../../target}/check")

missing() {
    echo "make check-deploy needs $1" >&2
    exit 1
}

# The command $2 of Debian's package $1.
unpacked() {
    local found=$tools/$1/usr/bin/$2 package
    if [[ ! -x $found ]]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
        rm -rf "${tools:?}/$1" && mkdir -p "$tools/$1/download"
        # The lists of a fresh system are empty, those of an old one name what is gone.
        (cd "$tools/$1/download" && { apt-get download --quiet=2 "$1" ||
            { apt-get update --quiet=2 && apt-get download --quiet=2 "$1"; }; }) >/dev/null 2>&1 || return
        for package in "$tools/$1/download"/*.deb; do
            dpkg -x "$package" "$tools/$1" || return
        done
        rm -r "$tools/$1/download"
    fi
    echo "$found"
}

# Whichever kubectl there is, for the kustomization keeps to what 1.20 knows, which Debian has.
kubectl=${KUBECTL:-$(command -v kubectl || unpacked kubernetes-client kubectl)} ||
    missing "kubectl: a recent one from pkgs.k8s.io (apt) or dl.k8s.io, or Debian's 1.20 (kubernetes-client)"
promtool=${PROMTOOL:-$(command -v promtool || unpacked prometheus promtool)} ||
    missing "promtool: from Debian's package prometheus, or of prometheus.io's archive"
command -v systemd-analyze >/dev/null ||
    missing "systemd-analyze of systemd 250 or later: apt-get install systemd"

# Does nothing when the environment is up to date; without a stamp until all is done.
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
