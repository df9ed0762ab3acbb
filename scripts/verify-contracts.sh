#!/usr/bin/env bash
# Checks that the contracts' source gives, byte for byte, the Wasm whose hashes are in contracts/SHA256SUMS: builds the
# committed source again from a clean copy in another folder, in the pinned environment.
#
#   scripts/verify-contracts.sh            build from a clean copy and compare (a minute)
#   scripts/verify-contracts.sh --built    compare what is in target/contracts; says so and succeeds where it was built
#                                          with other tools, or from a change that is not committed
#   scripts/verify-contracts.sh --update   build from a clean copy and write contracts/SHA256SUMS
#
# The pinned environment: the two tools below on x86-64 Linux (here Debian 12, whose package is binaryen), dependencies as
# in Cargo.lock. Exits with 1 where a hash differs, with 3 where a tool is not the pinned one.
set -euo pipefail
pinned_rustc="rustc 1.95.0 (59807616e 2026-04-14)"
pinned_toolchain=1.95.0
pinned_optimiser="binaryen 108"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sums=$root/contracts/SHA256SUMS
cd "$root"

say() { printf 'verify-contracts: %s\n' "$*"; }
compare() { # compare FOLDER: of the Wasm
    (cd "$1" && sha256sum --check "$sums")
}

uncommitted() { git status --porcelain -- contracts Cargo.toml Cargo.lock scripts/build-contracts.sh; }

case "${1:-}" in
-h | --help)
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
--built)
    stamp=target/wasm/build-contracts.stamp
    tools=$(sed -n 4p "$stamp")
    if [ "$tools" != "$pinned_rustc, $pinned_optimiser" ]; then
        say "built with $tools, pinned are $pinned_rustc, $pinned_optimiser: not compared"
        exit 0
    fi
    compare target/contracts && exit 0
    say "the contracts have changed: commit, then run scripts/verify-contracts.sh --update, and commit that"
    [ -z "$(uncommitted)" ] || exit 0
    exit 1
    ;;
'' | --update) ;;
*)
    say "unknown option $1; see --help" >&2
    exit 2
    ;;
esac

# --- the environment -------------------------------------------------------------------------------------------------

if [ "$(rustc --version 2>/dev/null)" != "$pinned_rustc" ]; then
    export RUSTUP_TOOLCHAIN=$pinned_toolchain
    if [ "$(rustc --version 2>/dev/null)" != "$pinned_rustc" ]; then
        say "needs $pinned_rustc: rustup toolchain install $pinned_toolchain --target wasm32v1-none" >&2
        exit 3
    fi
fi

# --- build and compare -----------------------------------------------------------------------------------------------

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
say "building $(git rev-parse --short HEAD) in $copy with $(rustc --version)"
[ -z "$(uncommitted)" ] ||
    say "there are uncommitted changes: they are not in this build"
git archive HEAD | tar -x -C "$copy"
PAYCHAN_WASM_WAY=rustup "$copy/scripts/build-contracts.sh" >"$copy/built.txt" 2>"$copy/log.txt" || {
    tail -n 20 "$copy/log.txt" >&2
    exit 1
}
grep -q "$pinned_optimiser)" "$copy/built.txt" || {
    say "needs $pinned_optimiser (Debian 12: apt-get install binaryen); this build was made with:" >&2
    cat "$copy/built.txt" >&2
    exit 3
}
if [ "${1:-}" = --update ]; then
    (cd "$copy/target/contracts" && sha256sum ./*.wasm | sed 's| \./| |') >"$sums"
    say "wrote contracts/SHA256SUMS:"
    cat "$sums"
else
    compare "$copy/target/contracts" || {
        say "the source does not give the recorded bytes; after a change of the contracts: --update" >&2
        exit 1
    }
fi
