#!/usr/bin/env bash
# Runs every test of the project, after it has set up and built everything. The last lines say what passed.
#
#   scripts/test.sh              everything, the demo included
#   scripts/test.sh settle       only tests whose name contains "settle" (and no demo)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. scripts/toolchain.sh
. scripts/progress.sh

say() { printf '\n== %s\n' "$*"; }

case "${1:-}" in -h | --help)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

say "Set-up: toolchain and the contracts' Wasm"
scripts/setup.sh
scripts/verify-contracts.sh --built

say "Building (the first build takes some minutes, because the real Soroban host is among the dependencies)"
# The whole-system tests start the real programs.
scripts/build-programs.sh
with_progress cargo test --workspace --locked --tests --no-run --quiet

say "Examples in the documentation"
cargo test --workspace --locked --doc --quiet -- "$@"

say "Tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@"
else
    echo "cargo-nextest is not installed: cargo test runs the same tests, but slower."
    cargo test --workspace --locked --lib --bins --tests -- "$@"
fi
if [ $# -eq 0 ]; then
    say "The contract, called by a client that reads only its spec"
    scripts/spec-client.sh
    say "Our buyer and seller against mppx, which is written in TypeScript"
    scripts/mppx.sh
    say "The demo"
    scripts/demo.sh
fi

say "All tests passed"
