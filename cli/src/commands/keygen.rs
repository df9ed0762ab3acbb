//! `paychan keygen`: a new key.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use paychan_channel::CommitmentSecret;
use paychan_rpc::SecretKey;
use serde::Serialize;

use crate::error::{Failure, Kind};
use crate::output::{Output, table};
use crate::secret;

/// Make a new key: a key that signs commitments, or a Stellar account's key
///
/// A channel has a commitment key of its own: the funder's agent holds its seed and signs with it, hundreds of times a
/// minute, while the account's key can stay elsewhere. The public part goes into `paychan open --commitment-key`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan keygen --out agent.seed             a commitment key; prints the public part
  paychan keygen --account --out funder.key   a Stellar account; prints its G... address
  paychan keygen --stdout | vault-put agent   the secret alone on standard output, the public part on standard error")]
pub(crate) struct Keygen {
    /// Make a Stellar account's key (S...) instead of a commitment seed
    #[arg(long)]
    account: bool,

    #[command(flatten)]
    to: Destination,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Destination {
    /// Write the secret to this new file, readable by its owner alone (0600)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print the secret on standard output
    #[arg(long)]
    stdout: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyKind {
    Commitment,
    Account,
}

#[derive(Serialize)]
struct Made<'a> {
    kind: KeyKind,
    /// 64 hex digits, or a G... address.
    public: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is printed alone, so that it can be piped.
        if let Some(secret) = self.secret {
            return f.write_str(secret);
        }
        let (public, hint) = match self.kind {
            KeyKind::Commitment => ("commitment key", "paychan open --commitment-key, and paychan sign --secret-file"),
            KeyKind::Account => ("account", "any command's --secret-file; the account must be funded with XLM first"),
        };
        let mut rows = vec![(public, self.public.clone())];
        if let Some(file) = &self.file {
            rows.push(("secret in", format!("{file} (only you can read it; keep a copy where it is safe)")));
        }
        rows.push(("for", hint.to_owned()));
        table(f, rows)
    }
}

impl Keygen {
    pub(crate) fn run(&self, output: Output) -> Result<(), Failure> {
        let (kind, public, secret) = if self.account {
            let secret = SecretKey::generate().map_err(|e| Failure::new(Kind::Secret, e.to_string()))?;
            (KeyKind::Account, secret.account().to_string(), secret.to_strkey())
        } else {
            let secret = CommitmentSecret::generate().map_err(|e| Failure::new(Kind::Secret, e.to_string()))?;
            (KeyKind::Commitment, secret.public().to_string(), secret.seed_hex())
        };
        if let Some(path) = &self.to.out {
            secret::write_new(path, &secret)?;
            let file = path.display().to_string();
            let made = Made { kind, public, file: Some(file.clone()), secret: None };
            return output.result(&made).map_err(|failure| {
                let done = format_args!("the key is in {file}, its public part is {}", made.public);
                failure.after(&done, &"keep the file, or remove it").with("file", file.clone())
            });
        }
        if !output.is_json() {
            output.progress(format_args!("public part: {public}"));
        }
        output.result(&Made { kind, public, file: None, secret: Some(secret.as_str()) })
    }
}
