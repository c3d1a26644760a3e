#!/usr/bin/env bash
# Rejects a production build whose binaries would differ from the released ones: the compiler must be the one in
# rustc-version, no variable may change Cargo's release profile, and COMMIT must have the format of commit.sh. COMMIT
# may be empty only outside a checkout. Settings, from the environment:
#   RUSTC_VERSION  "any": accept another compiler, and therefore other binaries
#   COMMIT         the commit that the binaries print
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

fail() {
    echo "$1" >&2
    exit 1
}

[[ ${COMMIT:-} =~ ^([0-9a-f]{12}(-dirty)?)?$ ]] ||
    fail "COMMIT is \"$COMMIT\": set it to the output of deploy/production/commit.sh (12 hex digits), or leave it empty"
[[ -n ${COMMIT:-} || ! -e $here/../../.git ]] ||
    fail "Git does not print the commit of this checkout (see above): install git and use a folder that this user owns,\
 or set COMMIT"
profiles=$(compgen -e CARGO_PROFILE_RELEASE_ || true)
[[ -z $profiles ]] || fail "these variables change the binaries; unset them: ${profiles//$'\n'/ }"

wanted=$(<"$here/rustc-version")
found=$("${RUSTC:-rustc}" --version)
[[ $found != "$wanted" ]] || exit 0
case ${RUSTC_VERSION:-} in
any)
    echo "RUSTC_VERSION=any: the binaries of $found differ from the released ones, which $wanted built" >&2
    ;;
"")
    read -r _ version _ <<<"$wanted"
    fail "the compiler is $found, but released binaries are built with $wanted. Other binaries have other PCRs.\
 Run rustup toolchain install $version, then RUSTUP_TOOLCHAIN=$version make ...,\
 or accept other binaries with RUSTC_VERSION=any"
    ;;
*) fail "RUSTC_VERSION is \"$RUSTC_VERSION\": set it to \"any\" or leave it unset" ;;
esac
