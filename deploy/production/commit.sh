#!/usr/bin/env bash
# Prints the commit of this checkout in the format of `--version`: 12 digits, followed by "-dirty" if a file differs
# from the commit or is not part of it. Prints nothing outside a checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# In a copy without a history, Git would print the commit of an enclosing repository.
[[ -e .git ]] || exit 0
command -v git >/dev/null || exit 0
commit=$(git rev-parse HEAD)
changes=$(git status --porcelain)
echo "${commit:0:12}${changes:+-dirty}"
