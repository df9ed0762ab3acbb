//! # The channel contract
//!
//! A one-way payment channel on Soroban. One contract instance is one channel: it holds a deposit of a SEP-41 token, pays
//! the recipient what the funder has signed for, and gives the funder the rest back after a waiting period.
//!
//! **Not audited. Immutable:** there is no admin, no upgrade and no pause; a channel runs the code that it was opened with.
//!
//! Amounts are integers of the token's base units (10,000,000 of them are 1 USDC or 1 XLM). Durations are ledgers, whose
//! wall-clock length is the network's to change.
//!
//! ## Participants
//!
//! - The **funder** (`from`) deposits once, and signs **commitments** off chain with the ed25519 commitment key: "the
//!   recipient may have `amount` in total". Each new one replaces the last by being higher.
//! - The **recipient** (`to`) keeps the highest commitment and cashes it in: while the channel stays open (`settle`), or for
//!   good (`close`).
//! - **Anyone** may call `settle` with a good commitment, and `extend`. A watcher needs no key of the recipient.
//!
//! ## States
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Open: __constructor
//!     Open --> Open: top_up, settle
//!     Open --> Closing: close_start
//!     Closing --> Closing: settle, close_start again (the wait starts anew)
//!     Closing --> Due: the deadline is reached
//!     Due --> Due: settle
//!     Open --> Final: close
//!     Closing --> Final: close
//!     Due --> Final: close, refund
//!     Final --> Final: refund (tokens that arrived later)
//! ```
//!
//! The deadline is the ledger of `close_start` plus `refund_waiting_period`. The last safe ledger for the recipient is the
//! one before: from the deadline on the funder may take the whole balance, cashed in or not. As long as it has not, `settle`
//! and `close` still work.
//!
//! ## Functions
//!
//! | function | authorization | does |
//! | --- | --- | --- |
//! | `__constructor(token, from, commitment_key, to, amount, refund_waiting_period)` | `from`, always | opens the channel and deposits `amount` (0 is allowed) |
//! | `top_up(amount)` | `from` | deposits more, until a close has started |
//! | `settle(amount, sig)` | none | checks the signature, pays `amount − withdrawn` to `to`; a difference of 0 or less pays nothing and succeeds |
//! | `close(amount, sig)` | `to` | as `settle`, then ends the channel and tries to send back `deposited − max(amount, withdrawn)`; with `amount ≤ withdrawn` the signature is not looked at |
//! | `close_start()` | `from` | sets the deadline; called again before it, the wait starts anew |
//! | `refund()` | `from` | from the deadline on: sends the whole balance to `from` and ends the channel; may be repeated for tokens that arrive later |
//! | `extend()` | none | extends the life of instance and code to 1,036,800 ledgers |
//! | `prepare_commitment(amount)` | none | the bytes to sign |
//! | `token` `from` `to` `refund_waiting_period` `commitment_key` `deposited` `withdrawn` `balance` `close_effective_at_ledger` | none | one value each |
//! | `state()` | none | all of them, and whether the channel is final, in one call |
//!
//! - `settle` needs no authorization because it can only pay the recipient, never less than before, and the funder's
//!   signature already says how much. `close` is the recipient's: a stranger with an old commitment must not end a channel
//!   early.
//! - A commitment is covered when `amount ≤ deposited`, **or** when the balance holds `amount − withdrawn`: tokens sent
//!   straight to the channel's address back commitments too. Recipients accept commitments up to balance + withdrawn; a
//!   contract that counted deposits alone would let a funder rob them.
//! - `close` never sends back more than it can know to be unclaimed, and not "the balance": with the balance, one unit sent
//!   to the channel after simulation would need a ledger entry that the transaction's footprint lacks, and such a failure
//!   can't be caught. What is left (such tokens, or a refund that the funder could not receive) is there for `refund`.
//! - A `refund_waiting_period` of at most 6,307,200 ledgers (a year of 5-second ledgers) is accepted: above it a typing mistake
//!   would lock a deposit for good. Nothing is too short: **who is paid must look**.
//!
//! ## Errors
//!
//! | | name | when |
//! | --- | --- | --- |
//! | 1 | `NegativeAmount` | an amount below 0 |
//! | 2 | `NotClosed` | `refund` before any close has started |
//! | 3 | `RefundWaitingPeriodNotElapsed` | `refund` before the deadline |
//! | 4 | `AlreadyClosed` | `top_up` once a close has started; `close_start` from the deadline on |
//! | 5 | `InsufficientDeposit` | a commitment that neither deposits nor balance cover |
//! | 6 | `Refunded` | `settle` or `close` after the channel became final |
//! | 7 | `Overflow` | deposits above 2^127 − 1 |
//! | 8 | `RefundWaitingPeriodTooLong` | above 6,307,200 ledgers |
//! | 9 | `WeakCommitmentKey` | a commitment key of small order |
//!
//! A bad signature, a missing authorization and a transfer that the token refuses fail as the host fails them, not with one of
//! these numbers. The host hides the error of a constructor from whoever deploys: it is in the diagnostic events.
//!
//! ## Events
//!
//! Topics, then the data as a map. No event is emitted for a transfer that did not happen, so a call that succeeded is no
//! proof of a payment: `withdraw` and `refund` are.
//!
//! | topics | data | when |
//! | --- | --- | --- |
//! | `open`, from, to | amount, commitment_key, refund_waiting_period, token | at opening, after `deposit` |
//! | `deposit`, from | amount | a deposit above 0, by the constructor or `top_up` |
//! | `close` | effective_at_ledger | `close_start`; `close`, unless the deadline was past already |
//! | `withdraw`, to | amount | the recipient was paid |
//! | `refund`, from | amount | the funder was paid |
//!
//! ## Commitment bytes
//!
//! What the commitment key signs is the XDR of this `ScVal`, keys in this order:
//!
//! ```text
//! Map { amount: I128, channel: Address, domain: Symbol("chancmmt"), network: Bytes(32) }
//! ```
//!
//! `network` is the sha256 of the network's passphrase: network and channel keep a signature from counting elsewhere, the
//! domain keeps it apart from anything else that the same key may sign. `prepare_commitment` gives the same bytes, and
//! [tests/it/commitment.rs](tests/it/commitment.rs) has a vector.
//!
//! ## Storage and lives
//!
//! Instance storage, keys of the form `Vec[Symbol(name)]`: `Terms` (`Vec[from, to, token, refund_waiting_period]`),
//! `CommitmentKey` (32 bytes), `DepositedAmount` and `WithdrawnAmount` (i128, always there), `CloseEffectiveAtLedger` (u32,
//! absent while open), `Refunded` (true, absent until final). Clients read these raw: names and types are interface.
//!
//! Constructor, `top_up`, `settle` and `close_start` extend the **instance's** life to 1,036,800 ledgers (60 days of 5-second
//! ledgers) when it is below 518,400, and never the code's: all channels share the code, and whoever happened to call would
//! pay for everybody. `extend` extends both, for anyone. The channel's balance is an entry of the *token's* contract with a
//! life of its own: it expires first, and only an ExtendFootprintTTL operation lengthens it. An archived entry is not lost: it
//! can be restored, for a fee, and nothing moves until it is.
//!
//! A transaction that settles should declare 64 written bytes more than simulated, for each channel: a `close_start` in
//! between grows the entry. One that closes, 224 more besides: where the refund within it fails (the funder has no
//! trustline) and nothing is paid, simulation does not count the channel's balance, and execution does.
//!
//! ## What each party must do, and what it risks
//!
//! **The recipient**
//!
//! - Cash in before the deadline. After it the funder may take everything, and nothing brings it back. Someone has to watch
//!   for `close_start` at every moment of the channel's life; that is what the watcher is for.
//! - Look at the channel before accepting a commitment: its code, token, `to`, a waiting period long enough to react in, no
//!   close started, and a commitment within balance + withdrawn.
//! - **Clawback.** Settling is all or nothing. If the token's issuer takes tokens out of the channel, or freezes it, a
//!   commitment that the balance no longer covers can't be settled, not even in part (a lower one that is covered still can).
//!   Same for a token that takes a fee on transfers. Accept only tokens whose issuer you trust.
//! - **Weak keys and lax verifiers.** The chain verifies strictly. A verifier that doesn't (batch verification, `verify` in
//!   place of `verify_strict`, the verifier of stellar-sdk) accepts signatures that the chain rejects, and a funder can make
//!   such signatures on purpose. The constructor refuses small-order keys only as a second line of defence; keys off the
//!   curve and of mixed order pass it.
//! - **Settle where it matters; close where it's convenient.** Nothing that the funder does between simulation and inclusion
//!   stops a `settle`. A `close` it can spoil each time it sees one coming, with a `top_up` when there was nothing to send
//!   back, or with a trustline when the refund would have failed: the transaction then lacks an entry in its footprint and
//!   fails whole. Nothing is lost but its fee, and `settle` pays all the same.
//! - Tokens must be receivable: a `settle` to an account without a trustline, or with a full one, fails.
//!
//! **The funder**
//!
//! - Whoever has the commitment key has the deposit, up to what it holds. It can't be replaced.
//! - **Leaked commitments.** A commitment can be executed by anyone who has it, at any time until the channel is final. It can
//!   only pay the recipient, but you can't take it back.
//! - A recipient may end the channel at any moment; what was not claimed comes back at once, or waits for `refund`.
//! - Tokens sent straight to the address come back only through `refund`.
//!
//! **Everyone**
//!
//! - `withdrawn` may be above what one's own watcher sent, since anyone may settle, and a fall of the balance is not a close.
//! - **Ledgers are not seconds.** A waiting period is a number of ledgers and can't be changed; should the network close
//!   ledgers faster, it ends sooner.
//! - An authorization to open or to top up allows exactly that call with exactly these arguments; look at them before signing.
//!
//! ## Differences to the other contracts
//!
//! Two public contracts have the same interface: stellar-experimental/one-way-channel (the reference) and mpprouter's fork of
//! it. Clients of theirs work unchanged, within these deliberate differences. The proof (`tests/proof`) drives the same random
//! sequences through the rules of all three and fails on a difference that is not in this table.
//!
//! | ours | reference | fork | why |
//! | --- | --- | --- | --- |
//! | `settle` needs no authorization | needs the recipient's | needs the recipient's | it can only pay the recipient; so who watches for one needs none of its keys, and one transaction can settle many channels |
//! | `close` with `amount ≤ withdrawn` doesn't look at the signature | always checks it | always checks it | a recipient that was never paid can end the channel and free the deposit |
//! | after `close` or `refund`: `settle` and `close` are refused with `Refunded` | both go on paying whatever arrives | as ours | what arrives later is the funder's by mistake, and an old commitment should not reach it |
//! | `top_up` is refused with `AlreadyClosed` once a close has started | always possible | as ours | nobody should deposit into a channel that is ending |
//! | `top_up(0)` needs the funder's authorization | needs none | as ours | one rule for every amount |
//! | opening needs the funder's authorization, also with a deposit of 0 | none for a deposit of 0 | as ours | nobody opens a channel in another's name |
//! | `refund_waiting_period` above 6,307,200 is refused | any | as ours | a typing mistake would lock a deposit for good |
//! | a commitment key of small order is refused | accepted; no commitment can be settled then | as ours | a recipient with a lax verifier would be paid with worthless commitments |
//! | a commitment that nothing covers is refused with `InsufficientDeposit` | refused with the token's error | as ours | a reason that clients can act on |
//! | tokens sent straight to the channel back commitments | as ours | refused with `InsufficientDeposit` above `deposited` | clients accept commitments up to balance + withdrawn: counting deposits alone would let a funder rob them |
//! | `close` sends back `deposited − max(amount, withdrawn)` | the whole balance | the whole balance | with the balance, one unit sent there after simulation would make the `close` fail; what is left is there for `refund` |
//! | `deposited()` counts what constructor and `top_up` took in | balance + withdrawn: falls with a refund, grows with tokens sent there | as ours | a total over the channel's life, which nobody else can change |
//! | a `deposit` event for each deposit above 0 | none | as ours | `top_up` would leave no trace of the channel's own |
//! | deposits above 2^127 − 1 together are refused with `Overflow` | refused with the token's error | as ours | it counts deposits, and no count may wrap |
//! | `extend` keeps instance and code alive, by anybody | none | as ours | a channel must not be archived before it is settled |
//! | events name addresses in their topics | in their data | as ours | who watches can filter by them. (The driver reads each contract's own layout, strictly.) |
//! | `state()` answers all in one call, `commitment_key()` and `close_effective_at_ledger()` are there | none of the three | no `state()` | one simulation instead of nine |
//! | `DepositedAmount` and `WithdrawnAmount` are stored from the opening on | `WithdrawnAmount` from the first payment on, `DepositedAmount` never | each from the first amount above 0 on | a first payment must not grow the entry beyond what was simulated |
//! | opening, `top_up`, `settle` and `close_start` extend the instance's life, never the code's | nothing extends a life | `top_up`, `settle`, `close` and `close_start` extend both | all channels share the code, and whoever happened to call would pay for everybody |
//!
//! ## Cost
//!
//! Measured on 2026-11-24 by `scripts/figures.sh` on the local network (protocol 28, testnet's prices), XLM channel,
//! instructions as simulated, fees in stroops without rent and without the bid for inclusion; the reference as `stellar
//! contract build` makes it, without its optimiser (14,053 bytes; ours 9,424).
//!
//! | | instructions | reference | | fee | reference | |
//! | --- | ---: | ---: | ---: | ---: | ---: | ---: |
//! | `open` | 969,517 | 1,231,978 | 78.7 % | 22,238 | 21,728 | 102.4 % |
//! | `top_up` | 687,749 | 741,575 | 92.8 % | 16,863 | 13,217 | 127.6 % |
//! | `settle`, first | 1,134,196 | 1,283,607 | 88.4 % | 16,408 | 17,268 | 95.1 % |
//! | `settle` | 1,134,196 | 1,290,746 | 87.9 % | 16,408 | 17,273 | 95.0 % |
//! | `close` | 1,337,867 | 1,559,785 | 85.8 % | 23,996 | 24,254 | 99.0 % |
//! | `close_start` | 483,889 | 632,015 | 76.6 % | 6,964 | 7,085 | 98.3 % |
//! | `refund` | 719,452 | 819,330 | 87.9 % | 16,070 | 13,221 | 121.6 % |
//!
//! The settlement fee is 5 % below the reference's. `top_up` and `refund` cost more because they write what the reference
//! does not remember (the total deposited, that the channel is final), and opening because of the `deposit` event; beside
//! the fork, which remembers as much, every fee is lower, by 1 to 5 %, and every count of instructions by 17 to 29 %. Most
//! instructions are the host's and the same for everyone: checking the signature, moving the tokens, linking the module.
//! The host of protocol 25 also charged for each byte of the module at every call; there `settle` takes 83 % of the
//! reference's instructions, and 72 % of those of a reference that was built without link-time optimisation.
//! The figures of those builds, of batches and of rent come from the same command.
//!
//! ## Upgrades and audits
//!
//! None: the code of a channel can't change. A new version is new code under a new hash, for new channels; watchers trust
//! hashes, one by one. Nobody outside the project has audited it yet. What has been done instead is in `tests/proof`
//! (a reference model, hostile sequences, fuzzing, mutants, and faults that the proof must notice) and runs with
//! `scripts/prove.sh`.
//!
//! ## Build, check, test
//!
//! - `scripts/build-contracts.sh` builds `target/contracts/paychan_contract.wasm`, printing size and hash. Its metadata
//!   (`stellar contract info meta --wasm FILE`) carries name, version and source repository.
//! - `scripts/verify-contracts.sh` builds it again from a clean copy in the pinned environment and compares the hash with
//!   `contracts/SHA256SUMS`.
//! - `cargo nextest run -p paychan-contract` runs every behaviour twice, against the native registration and against that Wasm.
//! - This page is made from the docs in `src/lib.rs` by `scripts/contract-readmes.sh`; a test fails when it is out of date.

#![no_std]

mod channel;
mod commitment;
mod error;
pub mod event;
mod state;
mod storage;
mod weak_key;

pub use channel::{Channel, ChannelArgs, ChannelClient};
pub use error::Error;
pub use state::ChannelState;
pub use storage::{LIFE, LIFE_THRESHOLD};

use soroban_sdk::contractmeta;

// SEP-46; `source_repo` as in SEP-55.
contractmeta!(key = "name", val = env!("CARGO_PKG_NAME"));
contractmeta!(key = "version", val = env!("CARGO_PKG_VERSION"));
contractmeta!(key = "source_repo", val = env!("CARGO_PKG_REPOSITORY"));

/// The longest `refund_waiting_period`, in ledgers: a year of 5-second ledgers. Above it a typing mistake would lock a
/// deposit for good.
pub const MAX_REFUND_WAITING_PERIOD: u32 = 6_307_200;
const _: () = assert!(MAX_REFUND_WAITING_PERIOD == 365 * 24 * 3600 / 5);
