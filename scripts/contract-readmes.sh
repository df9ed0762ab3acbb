#!/usr/bin/env bash
# Makes each contract's README.md from the docs at the top of its src/lib.rs. A test fails if one is out of date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for lib in contracts/*/src/lib.rs; do
    readme=$(dirname "$(dirname "$lib")")/README.md
    sed -n 's|^//! \{0,1\}||p' "$lib" >"$readme"
    echo "$readme"
done
