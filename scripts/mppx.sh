#!/usr/bin/env bash
# Runs an mppx client against our seller, our buyer against an mppx server, and `mppx validate` against our seller, with real
# vouchers and closes of channels on a local network.
#
#   scripts/mppx.sh              all of it
#   scripts/mppx.sh --install    installs mppx and no more, for `cargo bench -p paychan-mpp`
#
# It needs Node 20 and npm, and for the first run a package registry. If one of them is missing, it says so and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/node.sh

case "${1:-}" in -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

install_interop mppx mppx
[ "${1:-}" != --install ] || exit 0

scripts/setup.sh
scripts/build-programs.sh >/dev/null
# The whole workspace, so that the build is the one that the other tests have.
PAYCHAN_MPPX_FOLDER=$(cd "$folder" && pwd) cargo test --locked --quiet --workspace --test it -- --ignored --exact \
    interop::mppx_buys_from_our_seller interop::mppx_closes_at_our_seller interop::mppx_validates_our_seller \
    interop::our_buyer_buys_from_mppx interop::our_buyer_closes_at_mppx
echo "mppx: both sides understand each other"
