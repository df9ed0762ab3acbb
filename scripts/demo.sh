#!/usr/bin/env bash
# Shows the whole path on a local network, without the internet: open a channel, pay 1,000 times off-chain, crash the
# watcher, let the funder try to leave, and see the recipient paid in time; then sell 1,000 answers over HTTP 402 for two
# transactions. Exits non-zero if a payment was lost.
#
#   scripts/demo.sh              the demo
#   scripts/demo.sh --keep       leaves logs and stores behind and says where
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

scripts/setup.sh
echo "Building the programs (the first time takes some minutes; later a second) ..."
scripts/build-programs.sh
exec "${CARGO_TARGET_DIR:-target}/debug/paychan-demo" "$@"
