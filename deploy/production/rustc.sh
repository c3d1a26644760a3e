#!/bin/sh
# What cargo runs in the place of rustc for a production build (RUSTC_WRAPPER): the same call, with
# names for the machine's folders that are the same on every machine, so that the binary is as well.
#
# Not in RUSTFLAGS, where the folder of a package has no name: crates that came from a mirror, or that
# were vendored, would make another binary.
set -eu

rustc=$1
shift
# Cargo also asks for the compiler's version, and then names no package.
if [ -n "${CARGO_MANIFEST_DIR:-}" ]; then
    package=/$CARGO_PKG_NAME-$CARGO_PKG_VERSION
    # The last that matches counts. A dependency is compiled in its own folder and a member in the
    # workspace's; what a dependency's code is called was settled when that was compiled.
    set -- "$@" --remap-path-prefix="$PWD=/workspace" \
        --remap-path-prefix="$CARGO_MANIFEST_DIR=$package"
    if [ -n "${OUT_DIR:-}" ]; then
        set -- "$@" --remap-path-prefix="$OUT_DIR=$package/out"
    fi
    # Where the component rust-src is installed, rustc calls the standard library's code by it.
    library=$("$rustc" --print sysroot)/lib/rustlib/src/rust
    if [ -d "$library" ]; then
        commit=$("$rustc" -vV | sed -n 's/^commit-hash: //p')
        set -- "$@" --remap-path-prefix="$library=/rustc/$commit"
    fi
fi
exec "$rustc" "$@"
