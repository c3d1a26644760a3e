#!/usr/bin/env bash
# Prints the commit of this checkout, as `--version` of each binary names it: 12 digits, followed by
# "-dirty" if a file differs from the commit or is not part of it. Prints nothing outside a checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# In a copy without a history, Git would name the commit of a repository around it.
[[ -e .git ]] || exit 0
command -v git >/dev/null || exit 0
commit=$(git rev-parse HEAD)
changes=$(git status --porcelain)
echo "${commit:0:12}${changes:+-dirty}"
