#!/usr/bin/env bash
# Deploys the channel contract's Wasm on a local network and calls it with a client that reads only the Wasm's spec: the
# contract client of npm's @stellar/stellar-sdk. It fails if an answer is not the one that the reference contract gives.
#
#   scripts/spec-client.sh              our Wasm
#   scripts/spec-client.sh FILE...      other Wasm files with this interface, such as the reference's
#
# It needs Node 20 and npm, and for the first run a package registry. If one of them is missing, it says so and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/node.sh

case "${1:-}" in -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

install_interop spec-client stellar-sdk

scripts/setup.sh
scripts/build-programs.sh >/dev/null
[ $# -gt 0 ] || set -- target/contracts/paychan_contract.wasm
node "$folder/spec-client.mjs" "${CARGO_TARGET_DIR:-target}/debug/paychan-localnet" "$@"
echo "spec-client: the answers are the reference's"
