#!/usr/bin/env bash
# Refuses a production build that would make other binaries than the released ones: the compiler must be the
# one that rustc-version names, no variable may change Cargo's release profile, and COMMIT must be as commit.sh prints
# it. COMMIT may be empty outside a checkout only. Settings, from the environment:
#   RUSTC_VERSION  "any": another compiler, and so other binaries, will do
#   COMMIT         the commit that the binaries are to print
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

fail() {
    echo "$1" >&2
    exit 1
}

[[ ${COMMIT:-} =~ ^([0-9a-f]{12}(-dirty)?)?$ ]] ||
    fail "COMMIT is \"$COMMIT\": give the output of deploy/production/commit.sh, 12 hex digits, or none"
[[ -n ${COMMIT:-} || ! -e $here/../../.git ]] ||
    fail "Git does not tell the commit of this checkout (see above; is git installed, and is this user the owner of\
 the folder?): mend that, or give COMMIT"
profiles=$(compgen -e CARGO_PROFILE_RELEASE_ || true)
[[ -z $profiles ]] || fail "these variables change the binaries, unset them: ${profiles//$'\n'/ }"

wanted=$(<"$here/rustc-version")
found=$("${RUSTC:-rustc}" --version)
[[ $found != "$wanted" ]] || exit 0
case ${RUSTC_VERSION:-} in
any)
    echo "RUSTC_VERSION=any: the binaries of $found differ from the released ones, those of $wanted" >&2
    ;;
"")
    read -r _ version _ <<<"$wanted"
    fail "the compiler is $found, but released binaries are built with $wanted: other binaries have other PCRs.\
 Run rustup toolchain install $version, then RUSTUP_TOOLCHAIN=$version make ...;\
 or accept other binaries with RUSTC_VERSION=any"
    ;;
*) fail "RUSTC_VERSION is \"$RUSTC_VERSION\": it is \"any\", or not set" ;;
esac
