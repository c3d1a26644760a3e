#!/bin/sh
# The RUSTC_WRAPPER of production builds: calls rustc with fixed names for the folders of this machine, so that the
# binary is the same on every machine.
#
# RUSTFLAGS cannot do this, because it has no variable for the folder of a package: crates from a mirror, or vendored
# crates, would give another binary.
set -eu

rustc=$1
shift
# Cargo also calls this for the compiler's version, without a package.
if [ -n "${CARGO_MANIFEST_DIR:-}" ]; then
    package=/$CARGO_PKG_NAME-$CARGO_PKG_VERSION
    # The last match applies. A dependency is compiled in its own folder, and a member in that of the workspace. The
    # names in a dependency's code were set when the dependency was compiled.
    set -- "$@" --remap-path-prefix="$PWD=/workspace" \
        --remap-path-prefix="$CARGO_MANIFEST_DIR=$package"
    if [ -n "${OUT_DIR:-}" ]; then
        set -- "$@" --remap-path-prefix="$OUT_DIR=$package/out"
    fi
    # If the component rust-src is installed, rustc refers to the standard library by its path.
    library=$("$rustc" --print sysroot)/lib/rustlib/src/rust
    if [ -d "$library" ]; then
        commit=$("$rustc" -vV | sed -n 's/^commit-hash: //p')
        set -- "$@" --remap-path-prefix="$library=/rustc/$commit"
    fi
fi
exec "$rustc" "$@"
