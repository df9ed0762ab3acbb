#!/usr/bin/env bash
# Builds the contracts to target/contracts/*.wasm, and prints for each its size, its hash and how it was built.
#
# There are two ways to get a compiler for wasm32v1-none. The script tries them in this order:
#   rustup  It takes the active Rust toolchain, and runs `rustup target add wasm32v1-none` if the target is missing.
#   debian  Where only package registries can be reached, Debian's rustc-web, cargo-web and rust-web-src build core from
#           source. Installing them needs root or sudo once, and never removes a package.
# PAYCHAN_WASM_WAY=rustup or =debian takes only that way. The two compilers are different, so their Wasm differs in its
# bytes and hash, but it does the same. The tests run the Wasm that was built last.
#
# Then Binaryen's optimiser (Debian: binaryen) makes the Wasm smaller and drops exports that nobody calls. apt-get installs
# it if possible. Without it, or with PAYCHAN_WASM_OPT=none, the Wasm stays as the compiler wrote it, with some 1,500 bytes
# more. The tests run, the figures measure and a deployment uploads the files in target/contracts.
set -euo pipefail

contracts=(paychan-contract paychan-batch)
target=wasm32v1-none
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The other crates' directory would be rebuilt for a second compiler, so this is another one.
build=$root/target/wasm
out=$root/target/contracts
way=${PAYCHAN_WASM_WAY:-}
optimise=${PAYCHAN_WASM_OPT:-auto}
cd "$root"
. scripts/toolchain.sh

say() { printf 'build-contracts: %s\n' "$*" >&2; }
die() {
    say "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

case $way in '' | rustup | debian) ;; *) die "PAYCHAN_WASM_WAY is '$way'" "expected rustup, debian, or nothing" ;; esac
case $optimise in auto | none) ;; *) die "PAYCHAN_WASM_OPT is '$optimise'" "expected none, auto, or nothing" ;; esac

mkdir -p "$build" "$out"
exec 9>"$build/build-contracts.lock"
flock 9

# Prints a hash of everything that the Wasm depends on. A finished build keeps it in its stamp.
inputs() {
    {
        find contracts -path '*/src/*' -type f -print0
        printf '%s\0' contracts/*/Cargo.toml Cargo.toml Cargo.lock scripts/build-contracts.sh
        find . -maxdepth 1 -name 'rust-toolchain*' -print0
    } | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

wasm_of() { printf '%s/%s.wasm' "$1" "${contract//-/_}"; }

report() {
    for contract in "${contracts[@]}"; do
        local file size hash
        file=$(wasm_of "$out")
        size=$(wc -c <"$file")
        hash=$(sha256sum "$file" | cut -d' ' -f1)
        printf '%s: %d bytes, sha256 %s (%s)\n' "${file#"$root"/}" "$size" "$hash" "$1"
    done
}

# We have not checked that older versions keep a contract's custom sections. Newer versions write other bytes that do the same.
oldest_binaryen=108

has_optimiser() {
    command -v wasm-opt >/dev/null && command -v wasm-metadce >/dev/null && command -v wasm-dis >/dev/null &&
        [ "$(wasm-opt --version | grep -o '[0-9]\+' | head -n 1)" -ge "$oldest_binaryen" ]
}

# --- nothing to do? -------------------------------------------------------------------------------------------------

# The stamp's lines: 1 the hash of the inputs, 2 the way, 3 auto or none, 4 the tools, and then the hashes of the files.
stamp=$build/build-contracts.stamp
inputs=$(inputs)
if [ -f "$stamp" ]; then
    { read -r last_inputs && read -r last_way && read -r last_optimise && read -r last_tools; } <"$stamp" || true
    if [ "$last_inputs" = "$inputs" ] && [ "${way:-$last_way}" = "$last_way" ] && [ "$last_optimise" = "$optimise" ] &&
        # An optimiser that was missing at that build may be there now.
        { [ "$optimise" = none ] || [[ $last_tools != *"not optimised" ]] || ! has_optimiser; } &&
        tail -n +5 "$stamp" | sha256sum --check --status 2>/dev/null; then
        report "unchanged; way $last_way: $last_tools"
        exit 0
    fi
fi

# --- way 1: rustup --------------------------------------------------------------------------------------------------

has_target() { [ -d "$("$1" --print sysroot)/lib/rustlib/$target/lib" ]; }

why_not_rustup=
try_rustup() {
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        why_not_rustup="no cargo and rustc on the PATH"
        return 1
    fi
    if ! has_target rustc; then
        if ! command -v rustup >/dev/null; then
            why_not_rustup="$(rustc --version) has no $target, and there is no rustup to add it"
            return 1
        fi
        say "rustup target add $target"
        local log=$build/rustup.log
        if ! RUSTUP_MAX_RETRIES=1 timeout 300 rustup target add "$target" >"$log" 2>&1 || ! has_target rustc; then
            why_not_rustup="rustup target add $target: $(grep -m 1 '^error' "$log" || echo "no answer in 5 minutes")"
            return 1
        fi
    fi
    cargo=cargo rustc=rustc
    compiler=$(rustc --version)
}

# --- way 2: Debian's packages ---------------------------------------------------------------------------------------

sudo=(sudo)
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else "${sudo[@]}" "$@"; fi; }

why_not_installed=
try_install_packages() {
    if ! command -v apt-get >/dev/null; then
        why_not_installed="$1 is missing, and there is no apt-get to install it"
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        why_not_installed="installing $* needs root; run once as root: apt-get update && apt-get install $*"
        return 1
    fi
    local log=$build/apt.log install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends)
    # The update takes time. It helps only where the package lists are missing or stale, so it runs only after a failure.
    if ! as_root "${install[@]}" "$@" >"$log" 2>&1 &&
        ! { as_root apt-get update >>"$log" 2>&1 && as_root "${install[@]}" "$@" >>"$log" 2>&1; }; then
        why_not_installed="apt-get could not install $*: $(grep '^E:' "$log" | tail -n 1) (the whole log: $log)"
        return 1
    fi
}

install_packages() {
    say "installing $* (once; some 800 MB on disk)"
    try_install_packages "$@" || die "$why_not_installed" "${advice[@]}"
}

# Finds the rust-lld that comes with a rustup toolchain, or Debian's wasm-ld.
find_linker() {
    find "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/*/bin -name rust-lld -type f 2>/dev/null | sort | tail -n 1 |
        grep . || command -v wasm-ld-19 || command -v wasm-ld
}

try_debian() {
    if ! { [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -f /usr/lib/rustlib/src/rust/library/Cargo.lock ]; }; then
        install_packages rustc-web cargo-web rust-web-src
    fi
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc
    compiler="$($rustc --version | cut -d' ' -f1-2) of Debian"
    local wanted version
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    version=$($rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ] ||
        die "Debian's rustc is $version, but this workspace needs $wanted or newer" \
            "rustc-web 1.96 is in bookworm-security: check that /etc/apt/sources.list has it, then apt-get update and upgrade" \
            "${advice[@]}"
    linker=$(find_linker) || { install_packages lld-19 && linker=$(find_linker); }
    # RUSTC_BOOTSTRAP allows a nightly option on this stable compiler: it builds core for the target from its source.
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32V1_NONE_LINKER=$linker
    extra=(-Zbuild-std=core,alloc)
}

# --- the optimiser ---------------------------------------------------------------------------------------------------

find_optimiser() {
    optimiser="not optimised"
    [ "$optimise" = auto ] || return 0
    if ! has_optimiser; then
        say "installing binaryen (once; some 30 MB on disk)"
        sudo=(sudo -n) # The optimiser is optional, so sudo must not ask for a password.
        if ! try_install_packages binaryen || ! has_optimiser; then
            say "no optimiser (${why_not_installed:-binaryen is older than $oldest_binaryen}): the Wasm will be larger, and do" \
                "the same. To install it, where there is a package: apt-get install binaryen"
            return 0
        fi
    fi
    optimiser="binaryen $(wasm-opt --version | grep -o '[0-9]\+' | head -n 1)"
}

# Soroban accepts only the first version of Wasm, without features that came later.
wasm=(--mvp-features)

# Keeps the exports that the network and callers use: memory and functions. Every call pays for each export, and the linker
# adds some that nobody uses.
drop_exports() {
    local names
    names=$(wasm-dis "${wasm[@]}" "$1" -o - | sed -n 's/^ (export "\([^"]*\)" (\(func\|memory\) .*/\1/p')
    {
        printf '[{"name":"caller","root":true,"reaches":['
        sed 's/.*/"&"/' <<<"$names" | paste -sd,
        printf ']}'
        sed 's/.*/,{"name":"&","export":"&"}/' <<<"$names"
        printf ']'
    } >"$build/exports.json"
    wasm-metadce "${wasm[@]}" --graph-file="$build/exports.json" "$1" -o "$1.kept" >/dev/null
    mv "$1.kept" "$1"
}

optimise() {
    [ "$optimiser" != "not optimised" ] || return 0
    drop_exports "$1"
    wasm-opt "${wasm[@]}" -Oz --converge "$1" -o "$1.smaller"
    mv "$1.smaller" "$1"
}

# --- build ----------------------------------------------------------------------------------------------------------

extra=()
advice=("with internet: install Rust from https://rustup.rs, then run: rustup target add $target"
    "with package registries only: Debian 12 with its security archive, and root or sudo once")
unset CARGO RUSTC RUSTC_WRAPPER RUSTFLAGS CARGO_BUILD_TARGET
if [ "$way" = debian ]; then
    try_debian
elif try_rustup; then
    way=rustup
elif [ "$way" = rustup ]; then
    die "no compiler for $target: $why_not_rustup" "${advice[@]}"
else
    say "rustup can't ($why_not_rustup): trying Debian's packages"
    try_debian
    way=debian
fi
find_optimiser
tools="$compiler, $optimiser"
say "way $way: $tools; the first build takes a minute or two"

# A contract pays for each 64 KiB page of its memory. With a stack of 16 KiB instead of 1 MiB it needs only one page. The
# other flags keep this machine's paths out of the Wasm.
flags=(-Clink-arg=-zstack-size=16384
    "--remap-path-prefix=$root=/paychan"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS RUSTC=$rustc

# This forces a build: the Wasm's metadata has the `repository` of Cargo.toml, and cargo does not build again for that.
"$cargo" clean --quiet --locked "${contracts[@]/#/--package=}" --profile contract --target "$target" --target-dir "$build" 9>&-

for contract in "${contracts[@]}"; do
    # This builds only a cdylib, because there is no link-time optimisation if an rlib is built with it.
    "$cargo" rustc --locked --package "$contract" --lib --crate-type cdylib --profile contract \
        --target "$target" --target-dir "$build" ${extra[@]+"${extra[@]}"} 9>&- ||
        die "$contract did not build (way $way); cargo printed the reason above"
    built=$(wasm_of "$build/$target/contract")
    made=$(wasm_of "$out")
    cp "$built" "$made.new"
    optimise "$made.new"
    for section in contractspecv0 contractenvmetav0 contractmetav0; do
        grep -q "$section" "$made.new" || die "$made has no section $section: stellar-cli and the network need it"
    done
    chmod 644 "$made.new"
    mv "$made.new" "$made"
done

{
    printf '%s\n' "$inputs" "$way" "$optimise" "$tools"
    for contract in "${contracts[@]}"; do sha256sum "$(wasm_of "$out")"; done
} >"$stamp"
report "way $way: $tools"
