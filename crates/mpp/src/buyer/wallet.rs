//! The channels through which the buyer may pay, and for which hosts.

use std::sync::Arc;

use paychan_channel::ContractId;

use super::signer::Signer;
use crate::wire::NetworkName;

/// A channel through which the buyer may pay. A server can't choose what is pinned here. The contract fixes the
/// recipient and the token, so pinning a channel pins them too.
#[derive(Clone)]
pub struct PinnedChannel {
    /// Its address.
    pub channel: ContractId,
    /// Its network.
    pub network: NetworkName,
    /// The signer of its commitments.
    pub signer: Arc<dyn Signer>,
    /// The servers that may be paid: `host` or `host:port`. If it is empty, every server that names this channel may be
    /// paid, since the money goes to the channel's recipient in any case.
    pub hosts: Vec<String>,
}

impl PinnedChannel {
    /// A channel for every server that names it.
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
