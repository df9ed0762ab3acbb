//! The keys that sign: the Stellar account behind a transaction, and the commitment key.

use std::path::{Path, PathBuf};

use clap::Args;
use paychan_channel::CommitmentSecret;
use paychan_rpc::SecretKey;

use crate::error::{Failure, Kind, bail};
use crate::network::NetworkArgs;
use crate::secret::Source;

/// Options of every command that sends a transaction.
#[derive(Debug, Clone, Args)]
pub(crate) struct TransactArgs {
    /// A file with the account's secret (S...), or - for standard input [env: PAYCHAN_SECRET]
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    secret_file: Option<PathBuf>,

    /// The most that one transaction may cost, in stroops (10000000 are 1 XLM); more is refused before sending
    /// [default: 20000000, and 200000000 to upload code or restore]
    #[arg(
        long,
        value_name = "STROOPS",
        env = "PAYCHAN_MAX_FEE",
        value_parser = clap::value_parser!(i64).range(1..),
        help_heading = "Network"
    )]
    pub(crate) max_fee: Option<i64>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

impl TransactArgs {
    fn source(&self) -> Source<'_> {
        Source {
            file: self.secret_file.as_deref(),
            option: "--secret-file",
            env: &["PAYCHAN_SECRET"],
            what: "the account's secret key (S...)",
        }
    }

    pub(crate) fn reads_stdin(&self) -> bool {
        self.source().is_stdin()
    }

    pub(crate) fn account_secret(&self) -> Result<SecretKey, Failure> {
        account_secret(self.source())
    }
}

/// Reads an account's secret key.
pub(crate) fn account_secret(source: Source<'_>) -> Result<SecretKey, Failure> {
    let text = source.read()?;
    text.parse::<SecretKey>().map_err(|e| {
        let hint = if looks_like_seed(&text) {
            ". These are 64 hex digits: a commitment seed? An account's key comes from paychan keygen --account"
        } else {
            ""
        };
        Failure::new(
            Kind::Secret,
            format!("the account's secret is malformed: {e}; expected S and 55 more letters and digits{hint}"),
        )
    })
}

/// The source of a commitment seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitmentSecretArgs<'a>(Source<'a>);

impl<'a> CommitmentSecretArgs<'a> {
    /// The source for `sign`. It needs only one secret, so its option has the short name.
    pub(crate) fn for_sign(file: Option<&'a Path>) -> Self {
        Self(Source {
            file,
            option: "--secret-file",
            env: &["PAYCHAN_COMMITMENT_SECRET", "PAYCHAN_SECRET"],
            what: "the commitment seed (64 hex digits)",
        })
    }

    /// The source for `open`, which signs with an account and may also need the public part of the seed.
    pub(crate) fn for_open(file: &'a Path) -> Self {
        Self(Source {
            file: Some(file),
            option: "--commitment-secret-file",
            env: &[],
            what: "the commitment seed (64 hex digits)",
        })
    }

    pub(crate) fn read(&self) -> Result<CommitmentSecret, Failure> {
        let text = self.0.read()?;
        if text.parse::<SecretKey>().is_ok() {
            bail!(
                Kind::Secret,
                "this is a Stellar account's secret key (S...); expected a commitment seed, 64 hex digits, as made by paychan \
                 keygen. A channel has its own commitment key"
            );
        }
        CommitmentSecret::from_seed_hex(&text)
            .map_err(|e| Failure::new(Kind::Secret, format!("the commitment seed is malformed: {e}")))
    }
}

fn looks_like_seed(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
