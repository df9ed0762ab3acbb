#!/usr/bin/env bash
# Shows a channel's whole life on a local network, without the internet. It opens a channel, pays 1,000 times off-chain,
# crashes the watcher, lets the funder close the channel, and shows that the recipient is paid in time. Then it sells 1,000
# answers over HTTP 402 with two transactions. It exits non-zero if a payment was lost.
#
#   scripts/demo.sh              the demo
#   scripts/demo.sh --keep       the demo, which keeps its logs and stores and prints their folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

scripts/setup.sh
echo "Building the programs (the first build takes some minutes, later ones a second) ..."
scripts/build-programs.sh
exec "${CARGO_TARGET_DIR:-target}/debug/paychan-demo" "$@"
