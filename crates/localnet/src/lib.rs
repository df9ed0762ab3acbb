//! A Stellar network in one process: the network's own Soroban host behind the public server's JSON-RPC.
//!
//! It is for demos and tests, and for people without Docker. The ledger is in memory and closes at an interval or on
//! request. Contracts run in `soroban-env-host`, and `soroban-simulation` simulates them. The other rules of the public
//! networks are enforced too: signatures and thresholds, sequence numbers, fees and refunds, time and ledger bounds,
//! resource limits, and entries that expire, are archived and restored. It is for development only: it listens on
//! loopback addresses, everybody knows its root and friendbot keys, and nothing of it is left when it ends.
//!
//! ```no_run
//! use paychan_localnet::{Localnet, Options};
//!
//! let net = Localnet::start(Options { manual: true, ..Options::default() })?;
//! println!("JSON-RPC at {}", net.rpc_url());
//! let ledger = net.close_ledger()?;
//! let later = net.jump(17_280)?;
//! assert_eq!(later, ledger + 17_280);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does not have consensus, more than one node, offers, pools, claimable balances, sponsorship, or signers other than
//! ed25519 keys. A transaction that needs one of them gets a result that says so. `README.md` has the whole list.

mod apply;
mod capacity;
mod close;
mod control;
mod friendbot;
mod in_process;
mod ledger;
mod localnet;
mod module_cache;
mod node;
mod operations;
mod options;
mod queue;
mod rpc;
mod settings;
mod simulate;
mod thread;
mod transaction;

pub use control::{ArchiveError, Status};
pub use in_process::{Entry, Included, Simulated, Submission};
pub use localnet::{Localnet, StartError};
pub use options::{Options, OptionsError, STANDALONE_PASSPHRASE};
pub use thread::Stopped;
