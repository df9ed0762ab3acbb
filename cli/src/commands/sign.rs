//! `paychan sign` signs a commitment offline.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use paychan_channel::{Amount, Commitment, ContractId, NetworkId};
use serde::Serialize;

use crate::amounts;
use crate::commitment::SignedCommitment;
use crate::error::Failure;
use crate::network::PassphraseArgs;
use crate::output::{Output, table};
use crate::signers::CommitmentSecretArgs;

/// Sign a commitment: "the recipient may have this much in total"
///
/// The command works offline: it reads nothing from the network and sends nothing. The amount is cumulative over the
/// channel's life and in base units (1 USDC or XLM is 10000000): after a commitment for 5, one more payment of 2 is a
/// commitment for 7. A commitment can't be taken back: anyone who has it can settle it to the recipient.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan sign CCHANNEL... --amount 70000000 --secret-file agent.seed --network testnet
  paychan sign CCHANNEL... --amount 70000000 --secret-file agent.seed --network testnet --json \\
    | paychan submit --commitment - --watcher http://127.0.0.1:8790 --token-file watcher.token")]
pub(crate) struct Sign {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    /// What the recipient may have in total, in base units
    #[arg(long, value_name = "BASE_UNITS", allow_negative_numbers = true)]
    amount: Amount,

    /// A file with the commitment seed (64 hex digits), or - for standard input [env: PAYCHAN_COMMITMENT_SECRET, then
    /// PAYCHAN_SECRET]
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    secret_file: Option<PathBuf>,

    #[command(flatten)]
    network: PassphraseArgs,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Signed(SignedCommitment);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(
            f,
            [
                ("channel", self.0.channel.to_string()),
                ("amount", format!("{} base units in total", self.0.amount)),
                ("signature", self.0.signature.to_string()),
                ("commitment key", self.0.commitment_key.to_string()),
            ],
        )
    }
}

impl Sign {
    pub(crate) fn run(&self, output: Output) -> Result<(), Failure> {
        amounts::not_zero("--amount", self.amount)?;
        let network = NetworkId::of(&self.network.passphrase()?);
        let secret = CommitmentSecretArgs::for_sign(self.secret_file.as_deref()).read()?;
        let commitment = Commitment { network, channel: self.channel, amount: self.amount };
        output.progress(format_args!(
            "signing: the recipient may have {} base units in total over the channel's life, earlier commitments included",
            self.amount
        ));
        output.result(&Signed(SignedCommitment {
            channel: self.channel,
            amount: self.amount,
            signature: commitment.sign(&secret),
            commitment_key: secret.public(),
            network_id: network,
        }))
    }
}
