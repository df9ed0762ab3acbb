#!/usr/bin/env bash
# Runs an mppx client against our seller, our buyer against an mppx server, and `mppx validate` against our seller, with real
# vouchers of channels on a local network.
#
# It needs Node 20 and npm, and for the first run a package registry. If one of them is missing, it says so and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in -h | --help)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

skip() {
    echo "mppx: LEFT OUT, $1"
    exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || skip "Node and npm are not installed"
[ "$(node --print 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "Node is $(node --version), older than 20"

target=${CARGO_TARGET_DIR:-target}
folder=$target/mppx
mkdir -p "$folder"
cp tests/interop/mppx/* "$folder"
(cd "$folder" && npm ci --silent --no-audit --no-fund >npm.log 2>&1) || skip "npm could not install mppx ($folder/npm.log)"

scripts/setup.sh
scripts/build-programs.sh --package paychan-examples >/dev/null
PAYCHAN_MPPX_FOLDER=$(cd "$folder" && pwd) cargo test --locked --package paychan-tests --test it -- --ignored --exact \
    interop::mppx_buys_from_our_seller interop::our_buyer_buys_from_mppx interop::mppx_validates_our_seller
echo "mppx: both sides understand each other"
