#!/usr/bin/env bash
# Measures the contracts on a local network with testnet's prices: what each call costs beside the reference contract, how
# many channels one transaction settles, and what a month of life costs. It prints tables, and needs no internet.
#
#   scripts/figures.sh                    everything
#   scripts/figures.sh calls batch lives  only these parts
#   scripts/figures.sh --json             everything, as JSON for programs
#   scripts/figures.sh --wasm FILE calls  the calls of another contract that has this interface
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# Only the figures go to standard output, so that the JSON can be piped.
scripts/setup.sh >&2
scripts/build-programs.sh --package paychan-figures --quiet >&2
exec "${CARGO_TARGET_DIR:-target}/debug/paychan-figures" "$@"
