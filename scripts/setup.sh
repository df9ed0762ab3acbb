#!/usr/bin/env bash
# Prepares what the other scripts need: a Rust toolchain, a C compiler, and the contracts' Wasm. It is quick and prints
# nothing if everything is there. The other scripts run it, so nobody has to.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need() { # need COMMAND WHY HOW
    command -v "$1" >/dev/null 2>&1 && return
    printf 'paychan: %s is missing (%s).\n  To install it: %s\n' "$1" "$2" "$3" >&2
    exit 1
}
[ "$(uname -s)" = Linux ] || {
    echo "paychan: this is $(uname -s); the scripts are made for Linux (the watcher runs under systemd)" >&2
    exit 1
}
need cargo "everything here is built with Rust" "https://rustup.rs"
need cc "some Rust crates compile C" "apt-get install gcc   (or your system's C compiler)"

scripts/build-contracts.sh
