#!/usr/bin/env bash
# The contracts' figures, measured on a local network with testnet's prices: what each call costs beside the reference
# contract, how many channels one transaction settles, what a month of life costs. Prints tables; needs no internet.
#
#   scripts/figures.sh                    everything
#   scripts/figures.sh calls batch lives  only these parts
#   scripts/figures.sh --json             the same for programs
#   scripts/figures.sh --wasm FILE calls  another contract with this interface, measured the same way
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# Standard output gets the figures alone, so that --json can be piped.
scripts/setup.sh >&2
scripts/build-programs.sh --package paychan-figures --quiet >&2
exec "${CARGO_TARGET_DIR:-target}/debug/paychan-figures" "$@"
