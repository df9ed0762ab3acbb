//! The store: the only owner of what must not be lost.
//!
//! Everything that callers are told is durable when they are told: channels, commitments, charges, credits, fences,
//! signed transactions, outcomes. Secrets never come here.
//!
//! ```text
//! <dir>/lock                       locked by the one process that uses the store
//! <dir>/journal/<number>.journal   the truth: segments of framed records, see `journal`
//! <dir>/db/                        the index (sled), see `index`: may be deleted, is built again from the journal
//! <dir>/reserve                    takes up room that is released when the disk gets full
//! ```
//!
//! One thread, the committer, writes. It takes all waiting requests, checks each, appends, syncs once, updates the
//! index, and answers. So one sync serves all who wait, and a hundred callers together get up to a hundred times as
//! many answers as one caller.
//!
//! **What is sold is a charge.** A commitment says how much the recipient may have, not what was bought with it. So the
//! store counts for each channel what is *spent*, which is at most the highest commitment: [`Store::charge`] takes a
//! price once, [`Store::credit`] gives a part of it back once. The committer decides each in one record.
//!
//! **How long request ids are remembered**: each channel's last [`Options::remembered_requests`] requests (commitments
//! and charges together) keep their ids, over restarts and checkpoints. A forgotten id counts as a new id: a commitment
//! under it is refused, since its old amount is not above the highest; a charge under it is charged again if what is
//! committed covers it, and can't be credited. So a front end must not repeat a request after that many others.
//!
//! **When the disk fails**, is full, or does not answer, the store takes nothing more and only settles
//! ([`Health::SettleOnly`]): the waiting requests and all later ones get [`StoreError::Failed`], what is held stays
//! readable, and signed transactions and their outcomes are kept in memory. A failed sync is not tried again, since the
//! system may have dropped the data it could not write; the next start finds out what is on disk. A start that finds
//! the store damaged, full or hanging can settle too ([`Store::open_or_settle`]). Long before the disk is full, the
//! store takes nothing new ([`Health::SpaceLow`]).

mod checkpoint;
mod clock;
mod committer;
mod digest;
mod error;
#[cfg(test)]
mod fixtures;
mod gate;
mod health;
mod held;
mod index;
mod journal;
mod ladder;
mod lock;
mod monitor;
mod options;
mod progress;
mod release;
mod repair;
mod request;
mod rules;
mod settle_only;
mod shared;
mod snapshot;
mod space;
mod start;
mod state;
mod store;
mod transaction;

pub use clock::{SystemWallClock, WallClock};
pub use error::{
    AcceptError, ChargeError, CloseError, CreditError, Damage, DamageKind, DropError, REPAIR_COMMAND, StoreError,
};
pub use gate::{Gate, Refusal};
pub use health::Health;
pub use held::{Admission, Claim, Fence, Held, HeldCommitment};
pub use journal::Journal;
pub use journal::disk::FileJournal;
pub use journal::read::TornEnd;
pub use journal::salvage::Gap;
pub use options::Options;
pub use paychan_channel::{RequestId, RequestIdError};
pub use progress::Progress;
pub use repair::{RepairReport, Repaired, repair};
pub use request::{Accepted, AdmitAnswer, Charge, Charged, Credit, Credited, Offer};
pub use settle_only::{Opened, Remains, SettleOnly, read_what_is_left};
pub use shared::Counts;
pub use snapshot::{Snapshot, read_only};
pub use space::{Space, free_bytes};
pub use start::{IndexStart, Recovered};
pub use store::{Driven, Store};
pub use transaction::{Decided, Outcome, Purpose, SignedTransaction};
