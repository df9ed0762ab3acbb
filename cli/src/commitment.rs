//! Reads a signed commitment from options, or from the JSON that `paychan sign --json` printed.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use paychan_channel::{Amount, ChannelState, Commitment, CommitmentKey, ContractId, NetworkId, Signature};
use paychan_watcher_api::SignedAmount;
use serde::{Deserialize, Serialize};

use crate::amounts;
use crate::error::{Failure, Kind, bail};
use crate::secret::is_stdin;

/// The longest JSON of a commitment that is read, in bytes. Usual ones have about 500.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// What `paychan sign --json` prints and `--commitment` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedCommitment {
    pub(crate) channel: ContractId,
    /// Cumulative base units.
    pub(crate) amount: Amount,
    pub(crate) signature: Signature,
    /// The public key that verifies the signature.
    pub(crate) commitment_key: CommitmentKey,
    /// SHA-256 of the network's passphrase, hex. The signature is valid on this network only.
    pub(crate) network_id: NetworkId,
}

/// Options that carry a signed commitment.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommitmentArgs {
    /// The channel's address (C...); not needed with --commitment
    #[arg(value_name = "CHANNEL")]
    channel: Option<ContractId>,

    /// What `paychan sign --json` printed: a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["amount", "signature"], help_heading = "Commitment")]
    commitment: Option<PathBuf>,

    /// The commitment's cumulative amount, in base units
    #[arg(
        long,
        value_name = "BASE_UNITS",
        requires = "signature",
        allow_negative_numbers = true,
        help_heading = "Commitment"
    )]
    amount: Option<Amount>,

    /// The commitment's signature: 128 hex digits
    #[arg(long, value_name = "HEX", requires = "amount", help_heading = "Commitment")]
    signature: Option<Signature>,
}

/// A commitment that the person gave, or that the watcher holds.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) amount: Amount,
    pub(crate) signature: Signature,
    /// The network for which it was signed; `None` when its source does not say.
    network_id: Option<NetworkId>,
}

impl CommitmentArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.commitment.as_deref().is_some_and(is_stdin)
    }

    /// The channel and its commitment; `None` when only a channel was given.
    pub(crate) fn read(&self) -> Result<(ContractId, Option<Given>), Failure> {
        if let Some(path) = &self.commitment {
            let document = read_document(path)?;
            if let Some(channel) = self.channel.filter(|channel| *channel != document.channel) {
                bail!(
                    Kind::Usage,
                    "the commitment in {} is for the channel {}, the command names {channel}",
                    path.display(),
                    document.channel
                );
            }
            amounts::not_zero("the commitment's amount", document.amount)?;
            let given =
                Given { amount: document.amount, signature: document.signature, network_id: Some(document.network_id) };
            return Ok((document.channel, Some(given)));
        }
        let Some(channel) = self.channel else {
            bail!(
                Kind::Usage,
                "which channel? Give its address (C...), or --commitment FILE as printed by paychan sign --json"
            );
        };
        let (Some(amount), Some(signature)) = (self.amount, self.signature) else {
            return Ok((channel, None));
        };
        amounts::not_zero("--amount", amount)?;
        Ok((channel, Some(Given { amount, signature, network_id: None })))
    }

    /// Does the same as [`Self::read`] for commands that need a commitment.
    pub(crate) fn read_signed(&self) -> Result<(ContractId, Given), Failure> {
        match self.read()? {
            (channel, Some(given)) => Ok((channel, given)),
            (_, None) => bail!(
                Kind::Usage,
                "a signed commitment is needed: --amount BASE_UNITS with --signature HEX, or --commitment FILE as printed by \
                 paychan sign --json"
            ),
        }
    }
}

fn read_document(path: &Path) -> Result<SignedCommitment, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let read = if is_stdin(path) {
        std::io::stdin().lock().take(MAX_DOCUMENT_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT_BYTES).read_to_string(&mut text))
    };
    read.map_err(|e| Failure::new(Kind::Input, format!("the commitment in {shown} can't be read: {e}")))?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::new(Kind::Input, format!("{shown} does not hold a commitment as printed by paychan sign --json: {e}"))
    })
}

impl Given {
    /// A commitment that a watcher holds.
    pub(crate) fn of_watcher(held: SignedAmount) -> Self {
        Self { amount: held.amount, signature: held.signature, network_id: None }
    }

    /// Refuses what the chain would refuse: another network's commitment, or another key's signature. It is called
    /// before anything is sent.
    pub(crate) fn check(&self, network: &NetworkId, channel: &ChannelState) -> Result<(), Failure> {
        if let Some(there) = self.network_id.filter(|there| there != network) {
            bail!(
                Kind::WrongNetwork,
                "the commitment was signed for the network {there}, but this is {network}; sign it again with this network's \
                 --network or --passphrase"
            );
        }
        let key = CommitmentKey::from_bytes(channel.commitment_key)
            .map_err(|e| Failure::new(Kind::Refused, format!("the channel's commitment key is unusable: {e}")))?;
        let commitment = Commitment { network: *network, channel: channel.channel, amount: self.amount };
        if commitment.verify(&key, &self.signature).is_err() {
            bail!(
                Kind::Refused,
                "the signature is not one of the channel's commitment key {key} over {} base units for this channel on this \
                 network; check amount, channel, network and which seed signed. Nothing was sent",
                self.amount
            );
        }
        Ok(())
    }

    /// Refuses an amount above what the channel could pay in total.
    pub(crate) fn check_coverage(&self, channel: &ChannelState) -> Result<(), Failure> {
        if self.amount > channel.coverage() {
            bail!(
                Kind::Refused,
                "the commitment is for {} base units in total, but the channel covers {} (balance {} and {} already withdrawn); \
                 the funder can top it up. Nothing was sent",
                self.amount,
                channel.coverage(),
                channel.balance,
                channel.withdrawn
            );
        }
        Ok(())
    }
}
