#!/usr/bin/env bash
# libraries.sh PROGRAM [LIBRARY...]: the dynamic loader that the program names, and every shared library
# that it and the others need, as lines NAME=PATH: PATH on this machine is to be NAME in an image. Each is
# found as it will be there, by that loader and without this machine's cache. Settings, from the environment:
#   PROVIDED  names of libraries that the image has from elsewhere, such as libvendor.so.1
set -euo pipefail
unset LD_LIBRARY_PATH LD_PRELOAD

fail() {
    echo "$1" >&2
    exit 1
}

command -v readelf >/dev/null || fail "the enclave's libraries need readelf (apt-get install binutils)"
headers=$(LC_ALL=C readelf --program-headers --wide "$1")
loader=$(sed -n 's/.*\[Requesting program interpreter: \(.*\)\]$/\1/p' <<<"$headers")
[[ $loader == /* && -x $loader ]] || fail "$1 names no dynamic loader that this machine has: \"$loader\""

declare -A paths=(["${loader#/}"]=$loader)
for file; do
    # As --list, but that goes no further than the first library that is not there.
    listed=$(LD_TRACE_LOADED_OBJECTS=1 "$loader" --inhibit-cache "$file") || fail "$file: $loader cannot load it"
    while read -r library arrow path _; do
        [[ $arrow == "=>" ]] || continue # the loader itself, and what the kernel provides
        [[ " ${PROVIDED:-} " != *" $library "* ]] || continue
        [[ $path == /* ]] ||
            fail "$file needs $library, which is neither given nor where a loader looks without a cache"
        paths["${path#/}"]=$path
    done <<<"$listed"
done
for name in "${!paths[@]}"; do
    echo "$name=${paths[$name]}"
done | LC_ALL=C sort
