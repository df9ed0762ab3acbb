//! # The channel contract
//!
//! This contract is a one-way payment channel on Soroban. One contract instance is one channel. It holds a deposit of a SEP-41
//! token, pays the recipient what the funder has signed for, and gives the rest back to the funder after a waiting period.
//!
//! **Not audited. Immutable:** there is no admin, no upgrade and no pause. A channel runs the code that it was opened with.
//!
//! Amounts are integers of the token's base units; 10,000,000 of them are 1 USDC or 1 XLM. Durations are ledgers, and the network
//! decides how long a ledger takes.
//!
//! ## Participants
//!
//! - The **funder** (`from`) deposits tokens, and signs **commitments** off chain with the ed25519 commitment key. A commitment
//!   says that the recipient may have `amount` in total. Each new one is higher than the last and replaces it.
//! - The **recipient** (`to`) keeps the highest commitment and has the channel pay it: with `settle`, which leaves the channel
//!   open, or with `close`, which ends it.
//! - **Anyone** may call `settle` with a good commitment, and `extend`. A watcher needs no key of the recipient.
//!
//! ## States
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Open: __constructor
//!     Open --> Open: top_up, settle
//!     Open --> Closing: close_start
//!     Closing --> Closing: settle, close_start again (the wait starts again)
//!     Closing --> Due: the deadline is reached
//!     Due --> Due: settle
//!     Open --> Final: close
//!     Closing --> Final: close
//!     Due --> Final: close, refund
//!     Final --> Final: refund (tokens that arrived later)
//! ```
//!
//! The deadline is the ledger of `close_start` plus `refund_waiting_period`. The last ledger that is safe for the recipient is the
//! one before. From the deadline on, the funder may take the whole balance, whether the recipient was paid or not. Until the
//! funder has done so, `settle` and `close` still work.
//!
//! ## Functions
//!
//! | function | authorization | does |
//! | --- | --- | --- |
//! | `__constructor(token, from, commitment_key, to, amount, refund_waiting_period)` | `from`, always | opens the channel and deposits `amount`, which may be 0 |
//! | `top_up(amount)` | `from` | deposits more, until a close has started |
//! | `settle(amount, sig)` | none | checks the signature and pays `amount − withdrawn` to `to`; where that is 0 or less, it pays nothing and succeeds |
//! | `close(amount, sig)` | `to` | does what `settle` does, ends the channel, and tries to send back `deposited − max(amount, withdrawn)`; with `amount ≤ withdrawn` it does not look at the signature |
//! | `close_start()` | `from` | sets the deadline; called again before the deadline, it starts the wait again |
//! | `refund()` | `from` | from the deadline on: sends the whole balance to `from` and ends the channel; may be called again for tokens that arrive later |
//! | `extend()` | none | extends the lives of instance and code to 1,036,800 ledgers |
//! | `prepare_commitment(amount)` | none | answers the bytes to sign |
//! | `token` `from` `to` `refund_waiting_period` `commitment_key` `deposited` `withdrawn` `balance` `close_effective_at_ledger` | none | answer one value each |
//! | `state()` | none | answers all of these values, and whether the channel is final, in one call |
//!
//! - `settle` needs no authorization, because it can only pay the recipient, it never pays less than before, and the funder's
//!   signature already says how much. `close` needs the recipient's, because a stranger with an old commitment must not end a
//!   channel early.
//! - A commitment is covered when `amount ≤ deposited`, **or** when the balance holds `amount − withdrawn`. So tokens that were
//!   sent to the channel's address back commitments too. Recipients accept commitments up to balance + withdrawn, and with a
//!   contract that counted deposits alone a funder could rob them.
//! - `close` sends back only what it can know to be unclaimed, and not "the balance". With the balance, one unit that is sent
//!   to the channel after simulation would need a ledger entry that the transaction's footprint lacks, and the contract could not
//!   catch that failure. What is left in the channel, such as these tokens or a refund that the funder could not receive, waits
//!   for `refund`.
//! - A `refund_waiting_period` above 6,307,200 ledgers, which is a year of 5-second ledgers, is refused, because a typing
//!   mistake would lock a deposit for ever. No waiting period is refused for being short: **whoever is paid must look at it**.
//!
//! The Wasm's spec has each function of the reference contract with exactly the reference's inputs and outputs, so clients that
//! are generated from a spec, or driven by one, behave the same with both. Only `close_start` and `refund` have a result type;
//! the errors of the others end the call. A test compares the spec with the reference's.
//!
//! ## Errors
//!
//! | | name | when |
//! | --- | --- | --- |
//! | 1 | `NegativeAmount` | an amount is below 0 |
//! | 2 | `NotClosed` | `refund` before any close has started |
//! | 3 | `RefundWaitingPeriodNotElapsed` | `refund` before the deadline |
//! | 4 | `AlreadyClosed` | `top_up` once a close has started; `close_start` from the deadline on |
//! | 5 | `InsufficientDeposit` | neither the deposits nor the balance cover a commitment |
//! | 6 | `Refunded` | `settle` or `close` after the channel became final |
//! | 7 | `Overflow` | the deposits together are above 2^127 − 1 |
//! | 8 | `RefundWaitingPeriodTooLong` | the waiting period is above 6,307,200 ledgers |
//! | 9 | `WeakCommitmentKey` | the commitment key has a small order |
//!
//! A bad signature, a missing authorization and a transfer that the token refuses fail with the host's errors, not with one of
//! these numbers. The host hides a constructor's error from whoever deploys; the diagnostic events have it.
//!
//! ## Events
//!
//! Each event has topics, and a map of data. No event is emitted for a transfer that did not happen. So the success of a call
//! does not prove a payment; the events `withdraw` and `refund` do.
//!
//! | topics | data | when |
//! | --- | --- | --- |
//! | `open`, from, to | amount, commitment_key, refund_waiting_period, token | the channel was opened; comes after `deposit` |
//! | `deposit`, from | amount | the constructor or `top_up` took a deposit above 0 |
//! | `close` | effective_at_ledger | `close_start` was called; or `close`, unless the deadline was past already |
//! | `withdraw`, to | amount | the recipient was paid |
//! | `refund`, from | amount | the funder was paid |
//!
//! ## Commitment bytes
//!
//! The commitment key signs the XDR of this `ScVal`, with the keys in this order:
//!
//! ```text
//! Map { amount: I128, channel: Address, domain: Symbol("chancmmt"), network: Bytes(32) }
//! ```
//!
//! `network` is the sha256 of the network's passphrase. Because of the network and the channel, the signature is
//! worthless elsewhere. Because of the domain, it can't be mistaken for another message that the same key signs.
//! `prepare_commitment` answers the same bytes, and [tests/it/commitment.rs](tests/it/commitment.rs) has a test vector.
//!
//! ## Storage
//!
//! All of the contract's data is in its instance storage, under keys of the form `Vec[Symbol(name)]`:
//!
//! | key | value | |
//! | --- | --- | --- |
//! | `Terms` | `Vec[from, to, token, refund_waiting_period]` | never changes |
//! | `CommitmentKey` | 32 bytes | never changes |
//! | `DepositedAmount`, `WithdrawnAmount` | i128 | always there |
//! | `CloseEffectiveAtLedger` | u32 | absent while no close has started |
//! | `Refunded` | bool | always there, true once the channel is final |
//!
//! Clients read these entries from the ledger, so their names and types are a part of the interface.
//!
//! A transaction that settles should declare 64 written bytes more than its simulation counted, for each channel,
//! because a `close_start` in between makes the entry larger. A transaction that closes should declare 224 more on top.
//! If it pays nothing and its refund fails, because the funder has no trustline, then simulation does not count the
//! channel's balance, but execution does.
//!
//! ## Lives and rent
//!
//! The contract buys rent when it is needed. **`close_start` extends the instance's life to reach 34,560 ledgers (2
//! days of 5-second ledgers) beyond the deadline, if it would end within 17,280 ledgers (a day) after the deadline.
//! Except for `extend`, which anybody may call, nothing else extends a life.** The reasons:
//!
//! - Only the funder can take money that the recipient is owed, and only from the deadline on. So the channel must be
//!   live from `close_start` until the deadline, and `close_start` makes sure that it is. The funder, who starts the
//!   wait, pays for it.
//! - While no close has started, nobody can take anything. An open channel that is archived is not lost: whoever needs
//!   it next restores it, which the network does in the same transaction if the caller pays for it. A funder who
//!   restores it in order to close extends its life with that `close_start`.
//! - The first day after the deadline is for a `refund`, which finds a live entry, and for a recipient who is late.
//!   Because of the second day, a `close_start` that is repeated within a day extends nothing. Otherwise each
//!   repetition would pay for another extension, and one that is simulated in the ledger of the first would need rent
//!   that its simulation did not count.
//! - `settle` extends nothing, so what it needs does not depend on the ledger in which it is included. A call that
//!   extends fails if the extension became due between its simulation and its inclusion, because the transaction then
//!   lacks the rent. With `close_start` that costs the funder another simulation; with `settle` it could cost the
//!   recipient the deadline.
//! - The network limits a life to 3,110,400 ledgers (180 days of 5-second ledgers). A `close_start` with a longer wait extends the
//!   life as far as the limit; a watcher extends it again.
//!
//! The constructor writes `WithdrawnAmount` and `Refunded` although they are 0 and `false`. A call that makes an entry larger pays
//! rent for the new bytes for all of the life that the entry has left, and the first `settle` and each `refund` would do so. The
//! deadline is not written before there is one, because clients take its presence for a close that has started.
//!
//! All channels share the **code**, and only `extend` extends its life. If other calls extended it too, one caller
//! would pay for all channels. The channel's **balance** is an entry of the token's contract and has a life of its own.
//! The token extends it to 30 days at each transfer, so it can be archived before the instance, and only an
//! ExtendFootprintTTL operation extends it further. Watchers extend what they hold commitments for.
//!
//! ## Opened by others
//!
//! Opening a channel needs the funder's authorization, whoever deploys it, and also with a deposit of 0: nobody opens a
//! channel in another's name. The constructor asks for it. The funder authorizes `__constructor` with all of its
//! arguments and, for a deposit above 0, the transfer of the deposit below it.
//!
//! - Where the funder deploys the channel itself, the authorization to deploy includes this one.
//! - Where a factory or another account deploys it, the funder's authorization is for a call **below the root** of the
//!   transaction. By default a simulation records no such authorization and fails ("encountered authorization not tied to the root
//!   contract invocation"). So simulate with `authMode: "record_allow_nonroot"`; with stellar-cli, add `--auth-mode non-root`.
//! - A factory avoids this by calling `from.require_auth()` itself first, with **every** deposit. The reference's factory does so
//!   only for a deposit above 0, because the reference's constructor asks for nothing when the deposit is 0. With this contract,
//!   such a factory needs `--auth-mode non-root` to open a channel without a deposit.
//!
//! ## What each party must do, and what it risks
//!
//! **The recipient**
//!
//! - Have the commitment paid before the deadline. After it the funder may take everything, and nothing brings that back.
//!   Somebody has to watch for `close_start` at every moment of the channel's life, which is what the watcher is for.
//! - Look at the channel before accepting a commitment: at its code, its token and its `to`, at a waiting period that is long
//!   enough to react in, that no close has started, and that the commitment is within balance + withdrawn.
//! - **Clawback.** Settling is all or nothing. If the token's issuer takes tokens out of the channel, or freezes it, a
//!   commitment that the balance no longer covers can't be settled, not even in part. A lower one that is covered still can. The
//!   same is true for a token that takes a fee on transfers. Accept only tokens whose issuer you trust.
//! - **Weak keys and lax verifiers.** The chain verifies strictly. A verifier that does not (batch verification, `verify` in
//!   place of `verify_strict`, the verifier of stellar-sdk) accepts signatures that the chain rejects, and a funder can make
//!   such signatures on purpose. The constructor refuses keys of small order, which is only a second line of defence: keys that
//!   are not on the curve and keys of mixed order pass it.
//! - **Use `settle` where it matters, and `close` where it is convenient.** Nothing that the funder does between
//!   simulation and inclusion stops a `settle`. It can spoil each `close` that it sees coming, with a `top_up` when
//!   there was nothing to send back, or with a trustline when the refund would have failed. The transaction then lacks
//!   an entry in its footprint and fails as a whole. Only its fee is lost, and `settle` still pays.
//! - Be able to receive the tokens: a `settle` to an account without a trustline, or with a full one, fails.
//!
//! **The funder**
//!
//! - Whoever has the commitment key has the deposit, up to what the channel holds. The key can't be replaced.
//! - **Leaked commitments.** Anyone who has a commitment can settle it, until the channel is final. It can only pay the
//!   recipient, but you can't take it back.
//! - The recipient may end the channel at any moment. What was not claimed comes back at once, or waits for `refund`.
//! - Tokens that were sent to the channel's address come back only through `refund`.
//!
//! **Everyone**
//!
//! - `withdrawn` may be above what one's own watcher sent, because anyone may settle. A balance that falls does not mean a close.
//! - **Ledgers are not seconds.** A waiting period is a number of ledgers and can't be changed. If the network closes ledgers
//!   faster, the wait ends sooner.
//! - An authorization to open or to top up allows exactly that call with exactly these arguments. Look at them before signing.
//!
//! ## Differences to the other contracts
//!
//! Two public contracts have the same interface: stellar-experimental/one-way-channel (the reference) and mpprouter's fork of
//! it. Their clients work unchanged, but for these deliberate differences. The proof (`tests/proof`) drives the same random
//! sequences through the rules of all three and fails on a difference that is not in this table.
//!
//! | ours | reference | fork | why |
//! | --- | --- | --- | --- |
//! | `settle` needs no authorization | needs the recipient's | needs the recipient's | it can only pay the recipient; so a watcher needs none of the recipient's keys, and one transaction can settle many channels |
//! | `close` with `amount ≤ withdrawn` does not look at the signature | it always checks the signature | it always checks the signature | a recipient that was never paid can end the channel and free the deposit |
//! | after `close` or `refund`: `settle` and `close` are refused with `Refunded` | both go on paying what arrives | as ours | what arrives later was sent there by mistake, and an old commitment should not reach it |
//! | `top_up` is refused with `AlreadyClosed` once a close has started | always possible | as ours | nobody should deposit into a channel that is ending |
//! | `top_up(0)` needs the funder's authorization | needs none | as ours | one rule for every amount |
//! | opening needs the funder's authorization, also with a deposit of 0 | none for a deposit of 0 | as ours | nobody opens a channel in another's name |
//! | `refund_waiting_period` above 6,307,200 is refused | any | as ours | a typing mistake would lock a deposit for ever |
//! | a commitment key of small order is refused | accepted; no commitment can be settled then | as ours | a recipient with a lax verifier would be paid with worthless commitments |
//! | a commitment that nothing covers is refused with `InsufficientDeposit` | refused with the token's error | as ours | clients can act on this reason |
//! | tokens sent straight to the channel back commitments | as ours | refused with `InsufficientDeposit` above `deposited` | clients accept commitments up to balance + withdrawn, and a funder could rob them if only deposits counted |
//! | `close` sends back `deposited − max(amount, withdrawn)` | the whole balance | the whole balance | with the balance, one unit that is sent there after simulation would make the `close` fail; what is left waits for `refund` |
//! | `deposited()` counts what the constructor and `top_up` took in | it is balance + withdrawn, which falls with a refund and grows with tokens that are sent there | as ours | it is a total over the channel's life, which nobody else can change |
//! | a `deposit` event for each deposit above 0 | none | as ours | otherwise `top_up` would leave no event of the channel |
//! | deposits above 2^127 − 1 together are refused with `Overflow` | refused with the token's error | as ours | it counts deposits, and a count must not wrap |
//! | anybody may call `extend`, which gives instance and code 60 days | there is no such function | as ours | whoever depends on a channel can keep it live without building a transaction by hand |
//! | events name addresses in their topics | in their data | as ours | watchers can filter by them (the proof reads each contract's own layout, strictly) |
//! | there are `state()`, `commitment_key()` and `close_effective_at_ledger()` | there is none of the three | there is no `state()` | one simulation takes the place of nine |
//! | `DepositedAmount`, `WithdrawnAmount` and `Refunded` are stored from the opening on | `WithdrawnAmount` is stored from the first payment on, the others never | the amounts are stored from the first one above 0 on, `Refunded` from the end on | a first payment and a refund then do not make the entry larger, which would cost rent |
//! | `close_start` extends the instance's life beyond the deadline; nothing but `extend` extends the code's | nothing extends a life | the constructor, `top_up`, `settle`, `close` and `close_start` extend both | a channel must be live while its funder waits, and all channels share the code |
//!
//! ## Cost
//!
//! `scripts/figures.sh` measures all of this on the local network (protocol 28, testnet's prices, 2026-11-25) with a
//! channel that pays in XLM. Figures are stroops as charged, with rent, without the bid for inclusion. The reference
//! beside ours is built as `stellar contract build` does it (14,053 bytes; ours has 9,607).
//!
//! First the charges with rent, where a new entry lives for 7 days, as on testnet:
//!
//! | | ours | of this rent | reference | of this rent | |
//! | --- | ---: | ---: | ---: | ---: | ---: |
//! | `open` + `settle` + `close` of one channel | 215,601 | 152,862 | 214,563 | 151,307 | 100.5 % |
//! | `open` | 170,089 | 147,806 | 162,534 | 140,806 | 104.7 % |
//! | `top_up` | 16,904 | 0 | 13,217 | 0 | 127.9 % |
//! | `settle`, first | 16,450 | 0 | 22,713 | 5,445 | 72.5 % |
//! | `settle` | 16,450 | 0 | 17,273 | 0 | 95.3 % |
//! | `close` of a channel that was never settled | 29,062 | 5,056 | 34,754 | 10,500 | 83.7 % |
//! | `close_start` | 12,062 | 5,056 | 12,141 | 5,056 | 99.4 % |
//! | `refund` | 16,077 | 0 | 13,221 | 0 | 121.7 % |
//!
//! Where a new entry lives for 120 days, as on the public network:
//!
//! | | ours | of this rent | reference | of this rent | |
//! | --- | ---: | ---: | ---: | ---: | ---: |
//! | `open` + `settle` + `close` of one channel | 1,374,489 | 1,311,751 | 1,348,341 | 1,285,085 | 102.0 % |
//! | `open` | 1,247,366 | 1,225,084 | 1,126,812 | 1,105,084 | 110.7 % |
//! | `settle`, first | 16,450 | 0 | 110,602 | 93,334 | 14.9 % |
//! | `close` of a channel that was never settled | 110,673 | 86,667 | 204,254 | 180,000 | 54.2 % |
//! | `close_start` | 93,673 | 86,667 | 93,752 | 86,667 | 100.0 % |
//!
//! The other calls are charged no rent and cost the same there. Opening costs more than the reference's because of the `deposit`
//! event and of what the reference does not store from the start; `top_up` and `refund` cost more because they write what it does
//! not remember (the total that was deposited, and that the channel is final).
//!
//! A wait that is longer than the life that is left makes `close_start` more expensive. Right after opening, where entries live for 7 days:
//! 12,062 stroops for a wait of a day, 30,162 for a week, 209,051 for 30 days. The reference extends nothing, and its channel is
//! archived in the middle of such a wait.
//!
//! Two other layouts were measured for the parts of the entry that are not there from the start:
//!
//! | charged, where entries live for 7 / 120 days | `open` | `close` after a `settle` | `close_start` | `refund` | `open` + `settle` + `close` |
//! | --- | ---: | ---: | ---: | ---: | ---: |
//! | as it is: `Refunded` from the start, the deadline when it is set | 170,089 / 1,247,366 | 29,062 / 110,673 | 12,062 / 93,673 | 16,077 / 16,077 | 215,601 / 1,374,489 |
//! | neither from the start | 166,552 / 1,187,329 | 32,558 / 170,669 | 12,025 / 93,636 | 19,575 / 76,075 | 215,522 / 1,374,410 |
//! | both from the start | 175,200 / 1,334,087 | 24,013 / 24,013 | 7,012 / 7,012 | 16,080 / 16,077 | 215,713 / 1,374,607 |
//!
//! The life costs nearly the same with each, because the same bytes are paid for. The third layout is not possible, because
//! clients take the presence of a deadline for a close that has started, and the first has a cheaper `refund` than the second.
//!
//! Without rent, in instructions as simulated and in stroops:
//!
//! | | instructions | reference | | fee | reference | |
//! | --- | ---: | ---: | ---: | ---: | ---: | ---: |
//! | `open` | 989,302 | 1,231,978 | 80.3 % | 22,283 | 21,728 | 102.6 % |
//! | `top_up` | 701,734 | 741,575 | 94.7 % | 16,904 | 13,217 | 127.9 % |
//! | `settle` | 1,149,010 | 1,290,746 | 89.1 % | 16,450 | 17,273 | 95.3 % |
//! | `close` | 1,352,797 | 1,559,436 | 86.8 % | 24,006 | 24,254 | 99.0 % |
//! | `close_start` | 499,716 | 632,015 | 79.1 % | 7,006 | 7,085 | 98.9 % |
//! | `refund` | 729,146 | 819,330 | 89.0 % | 16,077 | 13,221 | 121.7 % |
//!
//! An earlier goal, 75 % of the reference's instructions, is met on the host of protocol 25 beside the build that it was set
//! for (`settle` 72.2 %), which charged each call for each byte of the module. On protocol 28 most instructions are the host's and
//! the same for every contract: checking the signature, moving the tokens, linking the module. The figures of other builds and of
//! the fork, of batches and of a month's rent come from the same command.
//!
//! ## Frozen
//!
//! The contract is frozen: after version 0.1.0 it changes only where a fault is found. This holds for the Wasm whose
//! sha256 is in `contracts/SHA256SUMS`. It is built from this source with soroban-sdk 25.3.2, rustc 1.95.0 and binaryen
//! 108; `Cargo.lock` has every other dependency. Any other compiler, optimiser or SDK gives other bytes and another
//! hash, and watchers trust hashes. So none of them is upgraded for this contract, and the only line that may still
//! change is the address in the metadata (`repository` in the workspace's `Cargo.toml`), once, before publishing.
//!
//! The code of a channel can't change. A corrected version would be new code under a new hash, for new channels. `CHANGELOG.md`
//! says what changed in each version.
//!
//! Nobody outside the project has audited it yet. In place of that there is the proof in `tests/proof`: a reference
//! model, hostile sequences, fuzzing, mutants, and faults that the proof must see. `scripts/prove.sh` runs it.
//!
//! ## Build, check, test
//!
//! - `scripts/build-contracts.sh` builds `target/contracts/paychan_contract.wasm` and prints its size and its hash. Its metadata
//!   (`stellar contract info meta --wasm FILE`) has the name, the version and the source repository.
//! - `scripts/verify-contracts.sh` builds it again from a clean copy in the pinned environment and compares the hash with
//!   `contracts/SHA256SUMS`.
//! - `scripts/spec-client.sh` deploys that Wasm and calls it with a client that reads only its spec (npm's
//!   stellar-sdk).
//! - `cargo nextest run -p paychan-contract` runs every behaviour twice: with the contract registered natively, and with that Wasm.
//! - `scripts/contract-readmes.sh` makes this page from the docs in `src/lib.rs`; a test fails when it is out of date.

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
pub use storage::{EXTENDED_LIFE, EXTENSION_AFTER_DEADLINE, LIFE_AFTER_DEADLINE};

use soroban_sdk::contractmeta;

// These entries are as SEP-46 says, and `source_repo` as SEP-55 says.
contractmeta!(key = "name", val = env!("CARGO_PKG_NAME"));
contractmeta!(key = "version", val = env!("CARGO_PKG_VERSION"));
contractmeta!(key = "source_repo", val = env!("CARGO_PKG_REPOSITORY"));

/// The longest `refund_waiting_period`, in ledgers: a year of 5-second ledgers. A typing mistake above it would lock a deposit
/// for ever.
pub const MAX_REFUND_WAITING_PERIOD: u32 = 6_307_200;
const _: () = assert!(MAX_REFUND_WAITING_PERIOD == 365 * 24 * 3600 / 5);
