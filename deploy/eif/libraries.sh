#!/usr/bin/env bash
# libraries.sh PROGRAM [LIBRARY...]: prints the dynamic loader of PROGRAM and every shared library that PROGRAM and the
# other libraries need, as lines NAME=PATH: PATH on this machine becomes NAME in the image. Libraries are searched as in
# the image: by that loader, without this machine's cache. Settings, from the environment:
#   PROVIDED  names of libraries that the image has from other sources, such as libvendor.so.1
set -euo pipefail
unset LD_LIBRARY_PATH LD_PRELOAD

fail() {
    echo "$1" >&2
    exit 1
}

command -v readelf >/dev/null || fail "libraries.sh needs readelf (apt-get install binutils)"
headers=$(LC_ALL=C readelf --program-headers --wide "$1")
loader=$(sed -n 's/.*\[Requesting program interpreter: \(.*\)\]$/\1/p' <<<"$headers")
[[ $loader == /* && -x $loader ]] || fail "the dynamic loader of $1 is not on this machine: \"$loader\""

declare -A paths=(["${loader#/}"]=$loader)
for file; do
    # Like --list, which stops at the first missing library.
    listed=$(LD_TRACE_LOADED_OBJECTS=1 "$loader" --inhibit-cache "$file") || fail "$file: $loader cannot load it"
    while read -r library arrow path _; do
        [[ $arrow == "=>" ]] || continue # the loader itself, and the vDSO
        [[ " ${PROVIDED:-} " != *" $library "* ]] || continue
        [[ $path == /* ]] ||
            fail "$file needs $library: the loader does not find it without a cache, so add it to FILES"
        paths["${path#/}"]=$path
    done <<<"$listed"
done
for name in "${!paths[@]}"; do
    echo "$name=${paths[$name]}"
done | LC_ALL=C sort
