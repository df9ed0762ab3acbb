//! The channels that may be paid through, and for whom.

use std::sync::Arc;

use paychan_channel::ContractId;

use super::signer::Signer;
use crate::wire::NetworkName;

/// A channel that may be paid through. What is pinned here is what a server can't choose. The recipient and the token are the
/// contract's: whoever pins a channel pins them.
#[derive(Clone)]
pub struct PinnedChannel {
    /// Its address.
    pub channel: ContractId,
    /// Its network.
    pub network: NetworkName,
    /// Who signs for it.
    pub signer: Arc<dyn Signer>,
    /// Who may be paid: `host` or `host:port`. Empty means anybody who asks to be paid through this channel, whose recipient gets
    /// the money in any case.
    pub hosts: Vec<String>,
}

impl PinnedChannel {
    /// A channel for whoever asks to be paid through it.
    pub fn new(channel: ContractId, network: NetworkName, signer: impl Signer + 'static) -> Self {
        Self { channel, network, signer: Arc::new(signer), hosts: Vec::new() }
    }

    /// Whether it is for this host.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.hosts.is_empty()
            || self
                .hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(without_port))
    }
}
