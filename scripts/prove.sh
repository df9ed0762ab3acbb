#!/usr/bin/env bash
# The nightly proof. It takes long, and every run explores something new.
#
#   scripts/prove.sh              all parts about the contract, in this order; the last lines say what was proved
#   scripts/prove.sh sequences    random hostile sequences on the real host, compared with the reference model
#   scripts/prove.sh fuzz         the same driver, steered by coverage (cargo-fuzz; needs a nightly Rust toolchain)
#   scripts/prove.sh mutants      changes to the contracts' code, each of which a test must see (cargo-mutants)
#   scripts/prove.sh faults       faults that a person could make (tests/proof/faults), each of which the sequences must see
#   scripts/prove.sh worlds       the contracts' calls of simulated worlds, and as many sequences of any calls, on the real host:
#                                 the simulator's model must do the same
#
# The other parts are about the watcher. NAMES chooses patches, targets or files. Without NAMES the part takes all of them:
#   scripts/prove.sh watcher NAMES          faults planted in the watcher (tests/sim/planted): a simulated world must show each
#   scripts/prove.sh decoders NAMES         every decoder of foreign bytes (tests/fuzz), steered by coverage (cargo-fuzz)
#   scripts/prove.sh watcher-mutants NAMES  changes to the code of watcher and store that decides about money, each of which a
#                                           test must see (cargo-mutants). It takes hours: each needs a build
#
# The amount of work: PAYCHAN_SEQUENCES=100000, PAYCHAN_FUZZ_SECONDS=600 for each target, and PAYCHAN_WORLDS=1000 for each
# planted fault and for the part `worlds`.
# The part `sequences` can check another contract against its own rules: PAYCHAN_PROOF_WASM=file, and
# PAYCHAN_PROOF_RULES=paychan, reference or fork.
# A failure prints the shortest sequence that shows it, and how to run it again. The script installs cargo-fuzz and
# cargo-mutants from crates.io into target/tools if they are missing.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
. scripts/toolchain.sh

sequences=${PAYCHAN_SEQUENCES:-100000}
fuzz_seconds=${PAYCHAN_FUZZ_SECONDS:-600}
tools=$root/target/tools
nightly=${PAYCHAN_NIGHTLY:-nightly}
worlds=${PAYCHAN_WORLDS:-1000}
summary=()

usage() { sed -n '2,24s/^# \{0,1\}//p' "$0"; }
say() { printf '\n== %s\n' "$*"; }
die() {
    printf 'prove: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}
number() { case $2 in '' | *[!0-9]*) die "$1 is '$2'" "expected a number" ;; esac }
number PAYCHAN_SEQUENCES "$sequences"
number PAYCHAN_FUZZ_SECONDS "$fuzz_seconds"
number PAYCHAN_WORLDS "$worlds"

# Installs a tool from crates.io into target/tools, if it is not there.
tool() {
    [ -x "$tools/bin/$1" ] && return
    say "Installing $1 into target/tools (once)"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "$1" ||
        die "$1 did not install" "try: cargo install --locked --root $tools $1"
}

run_sequences() {
    say "$sequences random sequences against the model"
    local log=$root/target/prove-sequences.log start=$SECONDS
    cargo build --quiet --locked -p paychan-proof --tests
    # The four tests share the work and run at the same time. --nocapture shows their progress.
    if ! PAYCHAN_SEQUENCES=$sequences PAYCHAN_PROGRESS=1 \
        cargo test --quiet --locked -p paychan-proof --test it -- --nocapture --test-threads "$(nproc)" sequences \
        2>&1 | tee "$log" | grep --line-buffered -E '^[0-9]+ of [0-9]+ sequences|panicked|  => |^Again|test result'; then
        die "a sequence failed" "see $log"
    fi
    grep -q '^test result: ok' "$log" || die "a sequence failed" "see $log"
    summary+=("sequences: $sequences held, in $((SECONDS - start)) s")
}

# The model of the contracts in the simulator, on the same calls as the contracts themselves.
run_worlds() {
    say "$worlds simulated worlds on the real host"
    local log=$root/target/prove-worlds.log start=$SECONDS
    if ! PAYCHAN_HOST_WORLDS=$worlds cargo test --quiet --locked -p paychan-proof --test it -- --nocapture worlds:: \
        2>&1 | tee "$log" | grep --line-buffered -E '^[0-9]+ worlds|^ +[0-9]+  [A-Z]|panicked|seed [0-9]+: |test result'; then
        die "the model and the host differ" "see $log"
    fi
    grep -q '^test result: ok' "$log" || die "the model and the host differ" "see $log"
    summary+=("worlds: $worlds did the same on the real host, in $((SECONDS - start)) s")
}

need_fuzzer() {
    cargo "+$nightly" --version >/dev/null 2>&1 ||
        die "no nightly Rust toolchain: libFuzzer needs one" "rustup toolchain install nightly" \
            "or name one that is installed: PAYCHAN_NIGHTLY=nightly-2026-05-01"
    tool cargo-fuzz
}

run_fuzz() {
    need_fuzzer
    say "Fuzzing for $fuzz_seconds s (the first build takes some minutes)"
    local corpus=$root/target/fuzz/corpus log=$root/target/prove-fuzz.log number
    mkdir -p "$corpus" "$root/target/fuzz/artifacts"
    if [ -z "$(ls -A "$corpus")" ]; then
        # Random bytes are already sequences, so that the fuzzer need not start from nothing.
        for number in $(seq 200); do head -c $((60 + RANDOM % 255)) /dev/urandom >"$corpus/seed-$number"; done
    fi
    # There is no sanitizer, because our code has no `unsafe` block, and the fuzzer runs more sequences without it.
    (
        cd tests/proof/fuzz
        PATH=$tools/bin:$PATH CARGO_TARGET_DIR=$root/target/fuzz \
            cargo "+$nightly" fuzz run --fuzz-dir . --sanitizer none sequence "$corpus" -- \
            -max_total_time="$fuzz_seconds" -max_len=314 -len_control=0 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 \
            -artifact_prefix="$root/target/fuzz/artifacts/"
    ) 2>&1 | tee "$log" | grep --line-buffered -E 'pulse|panicked|  => |^ *[0-9]+\. |Test unit written|stat::number' ||
        die "the fuzzer found a difference" "see $log; the bytes are in target/fuzz/artifacts"
    grep -q '^stat::number_of_executed_units' "$log" || die "the fuzzer did not run" "see $log"
    summary+=("fuzz: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") sequences in $fuzz_seconds s, nothing found")
}

run_mutants() {
    tool cargo-mutants
    say "Mutants of the contracts (.cargo/mutants.toml)"
    local out=$root/target/mutants/mutants.out
    local status=0
    PATH=$tools/bin:$PATH CARGO_TARGET_DIR=$root/target/mutants-build \
        cargo mutants --package paychan-contract --package paychan-batch --output target/mutants --no-shuffle --timeout 120 || status=$?
    case $status in
    0) ;;
    2) die "a mutant survived" "see target/mutants/mutants.out/missed.txt" \
        "kill it with a test in contracts/*/tests/it, or explain it in .cargo/mutants.toml" ;;
    3) die "a mutant made a test run for ever" "see target/mutants/mutants.out/timeout.txt" ;;
    4) die "the tests fail without any mutant" "see target/mutants/mutants.out/log/baseline.log" ;;
    *) die "cargo mutants ended with $status" "it printed the reason above" ;;
    esac
    summary+=("mutants: $(wc -l <"$out/caught.txt") caught, $(wc -l <"$out/missed.txt") survived, $(wc -l <"$out/unviable.txt") did not compile")
}

# FILES are sources of the watcher or the store. Without them, those of the configuration are taken.
run_watcher_mutants() {
    tool cargo-mutants
    say "Mutants of the watcher and the store (.cargo/watcher-mutants.toml)"
    local out=$root/target/watcher-mutants/mutants.out status=0 file files=()
    # A mutant's name begins with its file. (--file would add to the configuration's files.)
    for file in "$@"; do files+=(--re "^$file:"); done
    # What is built here runs for moments, so it is not optimised.
    PATH=$tools/bin:$PATH CARGO_TARGET_DIR=$root/target/mutants-build CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false \
        cargo mutants --config .cargo/watcher-mutants.toml --package paychan-watcher --package paychan-store "${files[@]}" \
        --output target/watcher-mutants --no-shuffle --timeout 300 || status=$?
    case $status in
    0 | 3) ;;
    2) die "a mutant survived" "see target/watcher-mutants/mutants.out/missed.txt" \
        "kill it with a test, or explain it in .cargo/watcher-mutants.toml" ;;
    4) die "the tests fail without any mutant" "see target/watcher-mutants/mutants.out/log/baseline.log" ;;
    *) die "cargo mutants ended with $status" "it printed the reason above" ;;
    esac
    # A mutant that makes a test run for ever was seen: some retry waits for nothing any more.
    summary+=("watcher-mutants: $(wc -l <"$out/caught.txt") caught, $(wc -l <"$out/timeout.txt") ran for ever, $(wc -l <"$out/missed.txt") survived, $(wc -l <"$out/unviable.txt") did not compile")
}

# Each patch plants one fault in the contract, and 500 random sequences must see it.
run_faults() {
    say "Faults of tests/proof/faults"
    local copy=$root/target/faults patch name caught=0
    command -v patch >/dev/null || die "patch is missing" "apt-get install patch"
    rm -rf "$copy/contracts"
    mkdir -p "$copy"
    # The copy gets the committed source. Its target/ stays from the last run.
    git archive HEAD | tar -x -C "$copy"
    cargo build --quiet --locked -p paychan-proof --tests
    for patch in "$root"/tests/proof/faults/*.patch; do
        name=$(basename "$patch" .patch)
        patch --quiet --strip=1 --directory="$copy" <"$patch" ||
            die "$name does not apply: the contract has changed" "make the patch again: $patch"
        PAYCHAN_WASM_OPT=none "$copy/scripts/build-contracts.sh" >"$copy/build.log" 2>&1 ||
            die "$name does not build" "see $copy/build.log"
        patch --quiet --strip=1 --reverse --directory="$copy" <"$patch"
        if PAYCHAN_PROOF_WASM=$copy/target/contracts/paychan_contract.wasm PAYCHAN_SEQUENCES=2000 \
            cargo test --quiet --locked -p paychan-proof --test it first_quarter >"$copy/$name.log" 2>&1; then
            die "no sequence sees the fault $name" "the contract with the fault passed every sequence; see $patch"
        fi
        grep -q '^  => ' "$copy/$name.log" || die "$name failed, but not at a difference" "see $copy/$name.log"
        caught=$((caught + 1))
        printf 'seen  %s\n' "$name"
    done
    summary+=("faults: $caught of $caught seen")
}

# Each decoder gets bytes from libFuzzer for the given time. Inputs that reach new code stay in target/decoders/corpus.
run_decoders() {
    need_fuzzer
    local corpus log target names=("$@") total=0 units
    if [ ${#names[@]} -eq 0 ]; then
        for target in "$root"/tests/fuzz/libfuzzer/fuzz_targets/*.rs; do names+=("$(basename "$target" .rs)"); done
    fi
    say "Fuzzing ${#names[@]} decoders for $fuzz_seconds s each (the first build takes some minutes)"
    mkdir -p "$root/target/decoders/artifacts"
    for target in "${names[@]}"; do
        corpus=$root/target/decoders/corpus/$target
        log=$root/target/decoders/$target.log
        mkdir -p "$corpus"
        # There is no sanitizer, because our code has no `unsafe` block, and the fuzzer runs more inputs without it.
        (
            cd tests/fuzz/libfuzzer
            PATH=$tools/bin:$PATH CARGO_TARGET_DIR=$root/target/decoders \
                cargo "+$nightly" fuzz run --fuzz-dir . --sanitizer none "$target" "$corpus" "$root/tests/fuzz/corpus/$target" -- \
                -max_total_time="$fuzz_seconds" -max_len=8192 -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
                -artifact_prefix="$root/target/decoders/artifacts/$target-"
        ) >"$log" 2>&1 || die "the fuzzer found something in $target" "see $log; the bytes are in target/decoders/artifacts"
        units=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        [ -n "$units" ] || die "the fuzzer did not run $target" "see $log"
        printf '%-20s %12s inputs, nothing found\n' "$target" "$units"
        total=$((total + units))
    done
    summary+=("decoders: $total inputs for ${#names[@]} targets in $fuzz_seconds s each, nothing found")
}

# Each patch plants one fault in the watcher, and some world must show it.
run_watcher() {
    say "Faults planted in the watcher (tests/sim/planted)"
    local copy=$root/target/planted patch name seed caught=0 missed=() names=("$@")
    if [ ${#names[@]} -eq 0 ]; then
        for patch in "$root"/tests/sim/planted/*.patch; do names+=("$(basename "$patch" .patch)"); done
    fi
    command -v patch >/dev/null || die "patch is missing" "apt-get install patch"
    mkdir -p "$copy"
    # The copy gets the committed source. Its target/ stays from the last run.
    git archive HEAD | tar -x -C "$copy"
    for name in "${names[@]}"; do
        patch=$root/tests/sim/planted/$name.patch
        patch --quiet --strip=1 --directory="$copy" <"$patch" ||
            die "$name does not apply: the watcher has changed" "make the patch again: $patch"
        (cd "$copy" && CARGO_TARGET_DIR=$copy/target cargo build --quiet --locked --package paychan-sim) >"$copy/$name.log" 2>&1 ||
            die "$name does not build" "see $copy/$name.log"
        patch --quiet --strip=1 --reverse --directory="$copy" <"$patch"
        "$copy/target/debug/paychan-simulate" --seeds "$worlds" --until-one-fails >>"$copy/$name.log" 2>&1 || true
        seed=$(sed -n 's/^seed \([0-9]*\) FAILS.*/\1/p' "$copy/$name.log" | head -n 1)
        if [ -n "$seed" ]; then
            caught=$((caught + 1))
            printf 'shown by seed %-6s %s\n' "$seed" "$name"
        else
            missed+=("$name")
            printf 'NOT SHOWN         %s\n' "$name"
        fi
    done
    [ ${#missed[@]} -eq 0 ] || die "no world of $worlds shows: ${missed[*]}" "make the simulator better (tests/sim/src/world)"
    summary+=("watcher: $caught of $caught planted faults shown")
}

case ${1:-all} in
-h | --help) usage && exit 0 ;;
all) parts=(sequences fuzz mutants faults worlds) ;;
sequences | fuzz | mutants | faults | worlds) parts=("$1") ;;
watcher | decoders | watcher-mutants)
    part=$1
    shift
    "run_${part//-/_}" "$@"
    parts=()
    ;;
*) die "no part '$1'" "expected sequences, fuzz, mutants, faults, worlds, watcher, decoders, watcher-mutants, or nothing for the contract's parts" ;;
esac

if [ ${#parts[@]} -gt 0 ]; then
    say "The contract's Wasm"
    scripts/build-contracts.sh
fi
for part in "${parts[@]}"; do "run_$part"; done

say "Proved"
printf '%s\n' "${summary[@]}"
