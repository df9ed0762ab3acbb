//! Every decoder of foreign bytes, as a function of bytes.
//!
//! Each target takes any bytes and gives them to one decoder the way they come to it from outside. It panics where the
//! decoder does, and where an answer breaks a rule that the target knows. It answers whether the bytes were understood, so
//! that a test can tell a corpus that gets deep into its decoder from one that is refused at the first byte.
//!
//! `scripts/prove.sh decoders` gives the targets to libFuzzer (`libfuzzer/`, a workspace of its own). The corpora in
//! `corpus/` are small, and `it/` replays them as plain tests. A new target is one line in [`TARGETS`], one file in
//! `libfuzzer/fuzz_targets`, and a corpus.
#![allow(missing_docs, reason = "a test's support: the names say what is meant")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target that fails says where")]

pub mod api;
pub mod channel;
pub mod config;
pub mod journal;
pub mod mpp;
pub mod pieces;
pub mod rpc;

/// A decoder. Its name is that of its file in `libfuzzer/fuzz_targets`, and of its folder in `corpus`.
pub struct Target {
    pub name: &'static str,
    /// Whether the bytes were understood.
    pub run: fn(&[u8]) -> bool,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "api_requests", run: api::request },
    Target { name: "channel_entries", run: channel::entries },
    Target { name: "channel_events", run: channel::event },
    Target { name: "configuration", run: config::configuration },
    Target { name: "endpoint_headers", run: config::endpoint_header },
    Target { name: "journal_files", run: journal::files },
    Target { name: "journal_records", run: journal::records },
    Target { name: "mpp_answers", run: mpp::answers },
    Target { name: "mpp_challenges", run: mpp::challenges },
    Target { name: "mpp_credentials", run: mpp::credentials },
    Target { name: "mpp_requests", run: mpp::requests },
    Target { name: "rpc_answers", run: rpc::answers },
    Target { name: "rpc_xdr", run: rpc::xdr },
];
