#!/usr/bin/env bash
# Builds the programs that the demo and the tests start, and nothing else. Further arguments go to cargo.
#
# tests/it/one_build.rs checks that the tests need the same build, so that nothing is compiled twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/toolchain.sh
. scripts/progress.sh

programs=(paychan paychan-watcher paychan-localnet paychan-demo paychan-examples)
with_progress cargo build --locked "${programs[@]/#/--package=}" "$@"
