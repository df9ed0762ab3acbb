//! Channels of paths, for payers whose client can't name one.

use paychan_channel::ContractId;

/// The channel of a path, for payers whose client can't name one.
#[derive(Debug, Clone, Default)]
pub struct FixedChannels(Vec<(String, ContractId)>);

impl FixedChannels {
    /// Makes one channel the channel of all paths, if there is one.
    #[must_use]
    pub fn everywhere(channel: Option<ContractId>) -> Self {
        Self(channel.map(|channel| (String::new(), channel)).into_iter().collect())
    }

    /// Makes `channel` the channel of all paths that begin with `prefix`. The longest prefix counts.
    pub fn add(&mut self, prefix: impl Into<String>, channel: ContractId) {
        self.0.push((prefix.into(), channel));
        self.0.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    pub(super) fn of_path(&self, path: &str) -> Option<ContractId> {
        self.0.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, channel)| *channel)
    }
}
