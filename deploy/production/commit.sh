#!/usr/bin/env bash
# Prints the commit of this checkout, as `--version` of each binary names it: 12 digits, followed by
# "-dirty" where a tracked file differs from the commit. Prints nothing outside a checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# In a copy without a history, Git would name the commit of a repository around it.
[[ -e .git ]] || exit 0
command -v git >/dev/null || exit 0
git describe --always --abbrev=12 --dirty --exclude='*'
