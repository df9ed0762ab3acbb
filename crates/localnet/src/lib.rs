//! A Stellar network in one process: the network's own Soroban host behind the public server's JSON-RPC.
//!
//! For demos and tests, and for people without Docker. The ledger is in memory and closes at an interval or when told;
//! contracts run in `soroban-env-host`, simulation is `soroban-simulation`, and around them the rules of the network are
//! enforced: signatures and thresholds, sequence numbers, fees and refunds, time and ledger bounds, resource limits,
//! entries that expire and are archived and restored. It is for development: it binds loopback only, its root and
//! friendbot keys are public, and nothing is kept when it ends.
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
//! What it does not have: consensus, more than one node, limits per ledger, fee bumps, automatic restoration, offers,
//! pools, claimable balances, sponsorship, signers other than ed25519. What is asked for and not there is refused by
//! name.

mod apply;
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

pub use control::Status;
pub use in_process::{Entry, Included, Simulated, Submission};
pub use localnet::{Localnet, StartError};
pub use options::{Options, OptionsError, STANDALONE_PASSPHRASE};
pub use thread::Stopped;
