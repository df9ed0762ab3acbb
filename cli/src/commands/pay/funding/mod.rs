//! `--open` and `--top-up` make deposits. A deposit is made only with these options, and a channel is opened only on
//! the terms that they name.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::{Address, Amount, CommitmentSecret, ContractId, WasmHash};
use paychan_mpp::buyer::{Buyer, PayError, PinnedChannel, host_of};
use paychan_mpp::problem::{OpeningTerms, ProblemBody, ProblemType};
use paychan_mpp::wire::NetworkName;
use reqwest::{Request, Url};
use serde_json::{Map, Value};

use super::report::unpaid;
use crate::amounts;
use crate::commands::open::{Code, LONGEST_WAITING_PERIOD, Opened, Opening, Salt, parse_salt, random_salt};
use crate::commands::top_up::{ToppedUp, deposit};
use crate::error::{Failure, Kind, bail};
use crate::network::NetworkArgs;
use crate::output::Output;
use crate::secret::Source;
use crate::session::Session;
use crate::signers::account_secret;
use crate::token::{Token, TokenArg};

/// Options that allow deposits into a channel.
#[derive(Debug, Args)]
#[command(next_help_heading = "Opening a channel")]
pub(super) struct FundingArgs {
    /// If the server wants a channel, open one, but only on the terms that are named here. A channel that an earlier
    /// run has opened for this server is used again
    #[arg(long, requires_all = ["deposit", "token", "to", "refund_waiting_period"])]
    open: bool,

    /// The deposit of a new channel in whole tokens, such as 12.5
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true, requires = "open")]
    deposit: Option<String>,

    /// The token: native, CODE:ISSUER, or a token contract's C... address
    #[arg(long, value_name = "TOKEN", requires = "open")]
    token: Option<TokenArg>,

    /// The recipient: a G... account or C... contract address
    #[arg(long, value_name = "ADDRESS", requires = "open")]
    to: Option<Address>,

    /// Ledgers between close-start and refund; the rest of the deposit stays locked for this time
    #[arg(long, value_name = "LEDGERS", requires = "open", value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_WAITING_PERIOD)))]
    refund_waiting_period: Option<u32>,

    /// The contract's Wasm, uploaded if the network lacks it
    #[arg(long, value_name = "FILE", env = "PAYCHAN_WASM")]
    wasm: Option<PathBuf>,

    /// Instead of --wasm: the hash of Wasm that the network has already
    #[arg(long, value_name = "HEX", requires = "open")]
    wasm_hash: Option<WasmHash>,

    /// If the deposit does not cover a payment, deposit this much more, once
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    top_up: Option<String>,

    /// --deposit and --top-up are given in base units
    #[arg(long)]
    base_units: bool,

    /// A file with the secret (S...) of the account that deposits, or - for standard input [env: PAYCHAN_FUNDER_SECRET]
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    funder_secret_file: Option<PathBuf>,

    /// The most that one transaction may cost, in stroops [default: 20000000, and 200000000 to upload code]
    #[arg(long, value_name = "STROOPS", env = "PAYCHAN_MAX_FEE", value_parser = clap::value_parser!(i64).range(1..), help_heading = "Network")]
    max_fee: Option<i64>,
}

/// The terms that the person allows for a new channel.
#[derive(Debug, Clone)]
struct Allowed {
    network: NetworkName,
    recipient: Address,
    token: ContractId,
    deposit: Amount,
    code: WasmHash,
    waiting_period: u32,
}

/// Why a server's terms are not those that the person allows; `None` when they are. Pure.
fn disagreement(allowed: &Allowed, details: &Map<String, Value>) -> Option<String> {
    let (network, terms) = match OpeningTerms::of_details(details) {
        Ok(read) => read,
        Err(error) => return Some(format!("it does not say what channel it wants ({error})")),
    };
    if network != allowed.network.as_str() {
        return Some(format!(
            "it wants a channel on {network:?}, but {} is the network that was named",
            allowed.network
        ));
    }
    if terms.recipient != allowed.recipient {
        return Some(format!("it wants {} to be paid, but --to says {}", terms.recipient, allowed.recipient));
    }
    let Some(token) = terms.tokens.iter().find(|token| token.contract == allowed.token) else {
        return Some(format!("it does not take the token {} of --token", allowed.token));
    };
    if token.minimum_deposit > allowed.deposit {
        return Some(format!(
            "it wants a deposit of at least {} base units, but --deposit says {}",
            token.minimum_deposit, allowed.deposit
        ));
    }
    if !terms.trusted_code.contains(&allowed.code) {
        return Some(format!("it does not trust the contract's code {} of --wasm or --wasm-hash", allowed.code));
    }
    if terms.minimum_waiting_period > allowed.waiting_period {
        return Some(format!(
            "it wants a waiting period of at least {} ledgers, but --refund-waiting-period says {}",
            terms.minimum_waiting_period, allowed.waiting_period
        ));
    }
    None
}

impl FundingArgs {
    pub(super) fn may_open(&self) -> bool {
        self.open
    }

    fn source(&self) -> Source<'_> {
        Source {
            file: self.funder_secret_file.as_deref(),
            option: "--funder-secret-file",
            env: &["PAYCHAN_FUNDER_SECRET"],
            what: "the secret key (S...) of the account that deposits",
        }
    }

    pub(super) fn reads_stdin(&self) -> bool {
        self.source().is_stdin()
    }

    /// Lets the buyer pay through a channel that was opened for this server by an earlier run, or opens one if the
    /// server wants it. Returns `None` when no channel was needed.
    pub(super) async fn open(
        &self,
        network: &NetworkArgs,
        seed: CommitmentSecret,
        buyer: &mut Buyer,
        request: &Request,
        output: Output,
    ) -> Result<Option<Opened>, Failure> {
        let (Some(deposit), Some(token), Some(to), Some(waiting_period)) =
            (&self.deposit, &self.token, self.to, self.refund_waiting_period)
        else {
            bail!(Kind::Usage, "--open needs --deposit, --token, --to and --refund-waiting-period");
        };
        let code = Code::named(self.wasm.as_deref(), self.wasm_hash)?;
        let secret = account_secret(self.source())?;
        if to == Address::Account(secret.account()) {
            bail!(Kind::Usage, "--to is the funder itself, {to}; a channel pays somebody else");
        }
        let network_name = NetworkName::of_passphrase(&network.passphrase()?);
        let session = Session::connect_to_send(network, self.max_fee, output).await?;
        let token = Token::resolve(&session, token).await?;
        let terms = OpenTerms {
            token: token.id,
            from: Address::Account(secret.account()),
            commitment_key: seed.public(),
            to,
            amount: amounts::parse("--deposit", deposit, self.base_units, &token)?,
            refund_waiting_period: waiting_period,
        };
        let allowed = Allowed {
            network: network_name.clone(),
            recipient: to,
            token: token.id,
            deposit: terms.amount,
            code: code.hash(),
            waiting_period,
        };
        let mut opening = Opening {
            session: &session,
            secret: &secret,
            funder: secret.account(),
            token: &token,
            channel: ContractId([0; 32]),
            terms,
            code,
            salt: Salt([0; 32]),
        };
        let found = earlier(&mut opening, buyer, request.url()).await?;
        let opened = match found {
            Found::Open(opened) => *opened,
            Found::Begun | Found::Nothing => {
                let Some(problem) = wants_channel(buyer, request).await? else { return Ok(None) };
                if let Some(why) = disagreement(&allowed, &problem.details) {
                    return Err(Failure::new(Kind::Refused, format!("no channel was opened: {why}"))
                        .with("problem", problem.kind.clone())
                        .with("details", problem.details.clone()));
                }
                if matches!(found, Found::Nothing) {
                    opening.set_salt(random_salt()?);
                    buyer.write_opening(request.url(), opening.channel, opening.salt.to_string()).map_err(unpaid)?;
                }
                open_now(&opening).await?
            }
        };
        if !opened.already_open {
            buyer.deposited(&opened.channel);
        }
        buyer.add_channel(PinnedChannel {
            channel: opened.channel,
            network: network_name,
            signer: Arc::new(seed),
            hosts: host_of(request.url()).into_iter().collect(),
        });
        Ok(Some(opened))
    }

    pub(super) fn top_up_is_allowed(&self) -> bool {
        self.top_up.is_some()
    }

    /// Whether a failed payment should be repeated after a deposit.
    pub(super) fn may_top_up(&self, error: &PayError) -> bool {
        self.top_up.is_some() && is_exhausted(error)
    }

    /// Deposits more, if the channel really does not cover the total.
    pub(super) async fn top_up(
        &self,
        network: &NetworkArgs,
        channel: &ContractId,
        total: Amount,
        output: Output,
    ) -> Result<ToppedUp, Failure> {
        let Some(amount) = &self.top_up else { bail!(Kind::Usage, "--top-up AMOUNT is needed") };
        let secret = account_secret(self.source())?;
        let session = Session::connect_to_send(network, self.max_fee, output).await?;
        let before = session.channel(channel).await?;
        if before.coverage() >= total {
            bail!(
                Kind::Refused,
                "nothing was deposited: the server says that the deposit does not cover a total of {total} base units, and the \
                 channel {channel} covers {}",
                before.coverage()
            );
        }
        deposit(&session, &secret, &before, "--top-up", amount, self.base_units).await
    }
}

/// Whether the channel's deposit is used up.
pub(super) fn is_exhausted(error: &PayError) -> bool {
    error.problem().and_then(ProblemBody::known) == Some(ProblemType::AmountExceedsDeposit)
}

enum Found {
    /// There is an open channel with these terms.
    Open(Box<Opened>),
    /// An earlier run began to open one and did not finish. Its salt is used again.
    Begun,
    /// There is no such channel.
    Nothing,
}

/// Looks for a channel that an earlier run opened for this server, with the same terms.
async fn earlier(opening: &mut Opening<'_>, buyer: &Buyer, url: &Url) -> Result<Found, Failure> {
    let mut begun = None;
    for earlier in buyer.openings_for(url).map_err(unpaid)? {
        let salt = parse_salt(&earlier.salt).map_err(|why| {
            Failure::new(Kind::Input, format!("the salt of the channel {} among the payments: {why}", earlier.channel))
        })?;
        opening.set_salt(salt);
        if opening.channel != earlier.channel {
            // It is a channel of another funder or on another network.
            continue;
        }
        match opening.state().await? {
            Some(state) if opening.same_terms(&state).is_ok() => {
                return Ok(Found::Open(Box::new(opening.opened(true, &state, None, None))));
            }
            Some(_) => {}
            None => begun = Some(salt),
        }
    }
    Ok(match begun {
        Some(salt) => {
            opening.set_salt(salt);
            Found::Begun
        }
        None => Found::Nothing,
    })
}

/// The server's problem if it wants a channel; `None` when the request is free or can be paid through another channel.
async fn wants_channel(buyer: &Buyer, request: &Request) -> Result<Option<Box<ProblemBody>>, Failure> {
    let request = request.try_clone().ok_or_else(|| unpaid(PayError::BodyIsAStream))?;
    match buyer.price(request).await {
        Ok(_) => Ok(None),
        Err(PayError::NoOffer { problem: Some(problem), .. })
            if problem.known() == Some(ProblemType::ChannelRequired) =>
        {
            Ok(Some(problem))
        }
        Err(error) => Err(unpaid(error)),
    }
}

async fn open_now(opening: &Opening<'_>) -> Result<Opened, Failure> {
    let channel = opening.channel;
    opening.session.output.progress(format_args!("opening the channel {channel} for this server"));
    opening.run().await.map_err(|failure| {
        let failure = failure.with("channel", channel.to_string()).with("salt", opening.salt.to_string());
        match failure.kind {
            Kind::OutcomeUnknown => Failure {
                message: format!(
                    "{}. Run the same command again: it finds the channel if it was opened, and opens it if not",
                    failure.message
                ),
                ..failure
            },
            _ => failure,
        }
    })
}

impl Opening<'_> {
    /// Chooses the salt, and with it the channel's address.
    fn set_salt(&mut self, salt: Salt) {
        self.salt = salt;
        self.channel = calls::channel_id(&self.session.network, &self.terms.from, salt.0);
    }
}

#[cfg(test)]
mod tests;
