#!/usr/bin/env bash
# Runs the watcher in simulated hostile worlds, one for each seed, and prints a table at the end. If a seed fails, the program
# names it, makes its world smaller, and shows that world ledger by ledger.
#
#   scripts/simulate.sh --seeds N            worlds 1 to N
#   scripts/simulate.sh --seed S --seeds 1   one world, line by line; RUST_LOG=info shows the log of its watcher, too
#   scripts/simulate.sh --seeds N --minutes M --jobs J   at most M minutes, J worlds at a time
#   scripts/simulate.sh --seeds N --plain    nothing overlaps, a power cut only cuts the end of files, one endpoint is faulty
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

. scripts/toolchain.sh
cargo build --quiet --locked --package paychan-sim
exec "${CARGO_TARGET_DIR:-target}/debug/paychan-simulate" "$@"
