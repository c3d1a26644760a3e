#!/usr/bin/env bash
# Moves kernel.lock to the current kernel of its suite. The next run of kernel.sh fetches it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"
source "$here/kernel.lock"
pinned="$package $version"

require "an update of the enclave's kernel" apt-get=apt flock=util-linux \
    "$debian_keyring=debian-archive-keyring"
eif=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}/eif")
mkdir -p "$eif"
exec {lock}>"$eif/lock"
flock "$lock"

debian_open "$eif/apt" "deb $suite main"
current=$(debian_kernel "$suite")
comments=$(grep '^#' "$here/kernel.lock")
printf '%s\n' "$comments" "$current" >"$here/kernel.lock.new"
mv "$here/kernel.lock.new" "$here/kernel.lock"

source "$here/kernel.lock"
if [[ "$package $version" == "$pinned" ]]; then
    echo "kernel.lock already names $suite's current kernel: $pinned"
else
    echo "kernel.lock: $package $version replaces $pinned; this changes the enclave's measurements"
fi
