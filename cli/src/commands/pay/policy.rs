//! The policy file holds caps and the channels through which may be paid.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use paychan_channel::ContractId;
use paychan_mpp::buyer::{Caps, PinnedChannel};
use paychan_mpp::wire::NetworkName;
use serde::Deserialize;

use super::bad_policy;
use crate::error::Failure;
use crate::signers::CommitmentSecretArgs;

/// A policy file, written in TOML.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policy {
    pub(super) caps: Caps,
    channels: Vec<Channel>,
    /// The folder of the file. Paths in the file are relative to it.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    channel: ContractId,
    /// The network's passphrase.
    passphrase: String,
    /// The file with the commitment seed.
    secret_file: PathBuf,
    #[serde(default)]
    hosts: Vec<String>,
}

impl Policy {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|e| bad_policy(format!("the policy {shown} can't be read: {e}")))?;
        let policy: Self =
            toml::from_str(&text).map_err(|e| bad_policy(format!("the policy {shown} is not understood: {e}")))?;
        Ok(Self { folder: path.parent().map(Path::to_owned).unwrap_or_default(), ..policy })
    }

    pub(super) fn channels(&self) -> Result<Vec<PinnedChannel>, Failure> {
        let pin = |channel: &Channel| {
            let file = self.folder.join(&channel.secret_file);
            let secret = CommitmentSecretArgs::for_sign(Some(&file)).read()?;
            Ok(PinnedChannel {
                channel: channel.channel,
                network: NetworkName::of_passphrase(&channel.passphrase),
                signer: Arc::new(secret),
                hosts: channel.hosts.clone(),
            })
        };
        self.channels.iter().map(pin).collect()
    }
}
