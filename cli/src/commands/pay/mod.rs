//! `paychan pay` sends a request as curl does, and pays for it.

mod closing;
mod funding;
mod policy;
mod repeat;
mod report;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Args};
use paychan_channel::{Amount, CommitmentSecret, ContractId};
use paychan_mpp::buyer::{
    Buyer, BuyerOptions, Caps, Event, PaidRequest, PayError, PayFailure, PinnedChannel, Record, Store,
};
use paychan_mpp::wire::NetworkName;
use paychan_rpc::http::{HttpLimits, read_body};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use crate::commands::open::Opened;
use crate::error::{Failure, Kind};
use crate::network::NetworkArgs;
use crate::output::{Output, table};
use crate::secret::{is_stdin, only_one_stdin};
use crate::signers::CommitmentSecretArgs;
use funding::FundingArgs;
use policy::Policy;
use repeat::Many;
use report::Answer;

use report::pay_failure;
pub(crate) use report::unpaid;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Send a request, and pay for it if the server asks (HTTP 402)
///
/// The command pays within the caps, and only through channels that are named here or in the policy file. It writes
/// down each voucher before it sends it, so that nothing is paid twice; paychan spent shows them. It reports on
/// standard error what was paid.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("through").args(["channel", "open", "close"]).multiple(true))]
#[command(after_long_help = "Examples:
  paychan pay https://api.example.com/time --channel CCHANNEL... --secret-file agent.seed --network testnet --max-price 10000
  paychan pay https://api.example.com/ask -X POST -H 'content-type: application/json' -d '{\"q\": 1}' --policy policy.toml
  paychan pay https://api.example.com/time --policy policy.toml --repeat 1000 --concurrency 8 --max-total 10000000
  paychan pay https://api.example.com/time --network testnet --secret-file agent.seed --max-price 10000 \\
    --open --deposit 10 --token native --to GRECIPIENT... --refund-waiting-period 17280 --wasm paychan_contract.wasm \\
    --funder-secret-file funder.key
  paychan pay https://api.example.com/time --network testnet --secret-file agent.seed --close

A policy file:
  [caps]                       # base units; what is not named has no cap
  per_request = \"10000\"
  per_day = \"50000000\"

  [[channels]]
  channel = \"CCHANNEL...\"
  passphrase = \"Test SDF Network ; September 2015\"
  secret_file = \"agent.seed\"   # beside the policy file
  hosts = [\"api.example.com\"]  # optional")]
pub(crate) struct Pay {
    /// The address, with http:// or https://
    #[arg(value_parser = web_address)]
    url: Url,

    /// The method [default: GET, and POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,

    /// A header, `Name: value`; may be given several times
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// The body, or @FILE to read it from a file
    #[arg(short = 'd', long = "data", value_name = "DATA")]
    data: Option<String>,

    /// Write the answer's body into this file
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    to_file: Option<PathBuf>,

    /// Show the answer's status and headers before its body
    #[arg(short = 'i', long = "include")]
    include: bool,

    /// The channel to pay through; without it, the channels of the policy file are used
    #[arg(long, value_name = "CHANNEL", conflicts_with = "open", help_heading = "Payment")]
    channel: Option<ContractId>,

    /// A file with the channel's commitment seed, or - for standard input [env: PAYCHAN_COMMITMENT_SECRET]
    #[arg(long, value_name = "FILE", requires = "through", help_heading = "Secrets")]
    secret_file: Option<PathBuf>,

    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    funding: FundingArgs,

    /// A file with caps and channels
    #[arg(long, value_name = "FILE", env = "PAYCHAN_POLICY", help_heading = "Payment")]
    policy: Option<PathBuf>,

    /// The most that one request may cost, in base units
    #[arg(long, value_name = "BASE_UNITS", help_heading = "Payment")]
    max_price: Option<Amount>,

    /// The most that this command may pay in all, in base units
    #[arg(long, value_name = "BASE_UNITS", help_heading = "Payment")]
    max_total: Option<Amount>,

    /// Say what it would cost, and pay nothing
    #[arg(long, help_heading = "Payment")]
    dry_run: bool,

    /// Buy nothing: have the server close the channel with what was spent, so that the rest of the deposit comes back
    /// at once. Without --channel and --policy, it is the channel that --open has opened for this server
    #[arg(long, conflicts_with_all = ["open", "top_up", "repeat", "dry_run", "data", "to_file", "include"], help_heading = "Payment")]
    close: bool,

    /// With --close: what the close itself may cost, in base units. Servers that are built with Stellar's TypeScript SDK close a
    /// channel only for one more price; paychan's own close for nothing
    #[arg(long, value_name = "BASE_UNITS", requires = "close", help_heading = "Payment")]
    max_close_price: Option<Amount>,

    /// Use this after the folder with the payments was lost, for a server that can't prove its total with this channel's
    /// signature: the server's total is believed up to this many base units. A proven total needs no option, and counts as
    /// paid today for the caps
    #[arg(long, value_name = "BASE_UNITS", help_heading = "Payment")]
    resync_up_to: Option<Amount>,

    /// Allow plain http to other machines, although others can then read the vouchers
    #[arg(long, help_heading = "Payment")]
    allow_plain_http: bool,

    #[command(flatten)]
    folder: FolderArgs,

    /// Send the request this many times, and print a summary
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Repeating")]
    repeat: Option<u64>,

    /// How many requests are under way at the same time
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512), requires = "repeat", help_heading = "Repeating")]
    concurrency: u16,
}

/// Where payments are written down.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArgs {
    /// The folder with the payments [default: ~/.local/share/paychan]
    #[arg(long = "payments", value_name = "FOLDER", env = "PAYCHAN_PAYMENTS", help_heading = "Payment")]
    folder: Option<PathBuf>,
}

impl FolderArgs {
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        let missing = || Failure::new(Kind::Usage, "where are payments written down? Give --payments FOLDER");
        Ok(data.ok_or_else(missing)?.join("paychan"))
    }
}

impl Pay {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[
            ("--secret-file", self.secret_file.as_deref().is_some_and(is_stdin)),
            ("--funder-secret-file", self.funding.reads_stdin()),
        ])?;
        let request = self.request()?;
        let folder = self.folder.folder()?;
        let mut buyer = Buyer::open(&folder, self.options(&folder, output)?).map_err(unpaid)?;
        if self.close {
            return self.close(&mut buyer, request, output).await;
        }
        if self.dry_run {
            let price = buyer.price(request).await.map_err(unpaid)?;
            return output.result(&WouldCost {
                url: self.url.to_string(),
                price: price.map(|(_, price)| price),
                channel: price.map(|(channel, _)| channel),
            });
        }
        let opened = if self.funding.may_open() {
            self.funding.open(&self.network, self.seed()?, &mut buyer, &request, output).await?
        } else {
            None
        };
        let channel = self.channel.or(opened.as_ref().map(|opened| opened.channel));
        let bought = self.buy(Arc::new(buyer), request, channel, opened.as_ref(), output).await;
        bought.map_err(|failure| match opened.filter(|opened| !opened.already_open) {
            Some(opened) => Failure {
                message: format!(
                    "the channel {} was opened with a deposit of {}, then: {}",
                    opened.channel, opened.shown_deposit, failure.message
                ),
                ..failure.with("channel", opened.channel.to_string())
            },
            None => failure,
        })
    }

    async fn buy(
        &self,
        buyer: Arc<Buyer>,
        request: Request,
        channel: Option<ContractId>,
        opened: Option<&Opened>,
        output: Output,
    ) -> Result<(), Failure> {
        let top_up = async || {
            let missing = || Failure::new(Kind::Usage, "--top-up needs --channel or --open");
            let channel = channel.ok_or_else(missing)?;
            let deposited = self.funding.top_up(&self.network, &channel, buyer.signed(&channel), output).await?;
            buyer.deposited(&channel);
            Ok(deposited)
        };
        if let Some(repeat) = self.repeat {
            let many = Many { buyer: Arc::clone(&buyer), request, repeat, concurrency: self.concurrency, output };
            let summary = many.run(self.funding.top_up_is_allowed().then_some(top_up)).await?;
            return output.result(&summary.after_opening(opened));
        }
        let again = request.try_clone().ok_or_else(|| unpaid(PayError::BodyIsAStream))?;
        let paid = match buyer.pay(request).await {
            Err(PayFailure { why, .. }) if self.funding.may_top_up(&why) => {
                top_up().await?;
                buyer.pay(again).await
            }
            other => other,
        };
        self.show(paid.map_err(|failed| pay_failure(&failed))?, opened, output).await
    }

    /// The seed of the commitment key.
    fn seed(&self) -> Result<CommitmentSecret, Failure> {
        CommitmentSecretArgs::for_sign(self.secret_file.as_deref()).read()
    }

    fn options(&self, folder: &std::path::Path, output: Output) -> Result<BuyerOptions, Failure> {
        let policy = match &self.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::default(),
        };
        let mut channels = Vec::new();
        if let Some(channel) = self.channel {
            let network = NetworkName::of_passphrase(&self.network.passphrase()?);
            channels.push(PinnedChannel { channel, network, signer: Arc::new(self.seed()?), hosts: Vec::new() });
        } else {
            channels.extend(policy.channels()?);
        }
        if channels.is_empty() && !self.dry_run && !self.close && !self.funding.may_open() {
            output.warn("no channel is given (--channel, --policy, --open): what costs something can't be paid");
        }
        let mut own = Caps { per_request: self.max_price, ..Caps::default() };
        if let Some(most) = self.max_total {
            own.total = Some(paid_so_far(folder)?.saturating_add(most));
        }
        let caps = policy.caps.and(own);
        if caps == Caps::default() && !self.dry_run && !self.close {
            output.warn("no cap is given (--max-price, --max-total, --policy): the server may ask for all that the channel holds");
        }
        let quiet = self.repeat.is_some();
        let on_event = move |event: &Event| match event {
            Event::Paying { channel, total, raise } if !quiet => {
                output.progress(format_args!("paying {raise} base units through {channel} ({total} in total) ..."));
            }
            Event::Proven { channel, total } => output.progress(format_args!(
                "the folder with the payments did not know {total} base units in total on {channel}, which the server \
                 has proven with the channel's signature; they count as paid now"
            )),
            Event::Closing { channel, total } => {
                output.progress(format_args!("asking to close {channel} with {total} base units in total ..."));
            }
            Event::SendingAgain { why } => output.progress(format_args!("sending the same payment again: {why}")),
            _ => {}
        };
        Ok(BuyerOptions {
            channels,
            caps,
            resync_up_to: self.resync_up_to,
            close_may_cost: self.max_close_price,
            allow_plain_http: self.allow_plain_http,
            limits: HttpLimits { total: std::time::Duration::from_secs(60), ..HttpLimits::default() },
            on_event: Some(Arc::new(on_event)),
            ..BuyerOptions::default()
        })
    }

    fn request(&self) -> Result<Request, Failure> {
        let method = match (&self.method, &self.data) {
            (Some(method), _) => method.clone(),
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut request = Request::new(method, self.url.clone());
        for line in &self.headers {
            let (name, value) = line.split_once(':').ok_or_else(|| {
                Failure::new(Kind::Usage, format!("the header {line:?} has no colon; expected `Name: value`"))
            })?;
            let wrong = |what: String| Failure::new(Kind::Usage, format!("the header {name:?} is malformed: {what}"));
            let name: HeaderName =
                name.trim().parse().map_err(|e: reqwest::header::InvalidHeaderName| wrong(e.to_string()))?;
            let value = HeaderValue::from_str(value.trim()).map_err(|e| wrong(e.to_string()))?;
            request.headers_mut().append(name, value);
        }
        if let Some(data) = &self.data {
            let bytes = match data.strip_prefix('@') {
                Some(path) => std::fs::read(path)
                    .map_err(|e| Failure::new(Kind::Input, format!("the body in {path} can't be read: {e}")))?,
                None => data.clone().into_bytes(),
            };
            *request.body_mut() = Some(bytes.into());
        }
        Ok(request)
    }

    async fn show(&self, paid: PaidRequest, opened: Option<&Opened>, output: Output) -> Result<(), Failure> {
        let PaidRequest { mut response, paid } = paid;
        let body = read_body(&mut response, LONGEST_ANSWER)
            .await
            .map_err(|e| Failure::new(Kind::Network, format!("the answer broke off after it was paid: {e}")));
        let told = |failure: Failure| match &paid {
            Some(paid) => failure.after(
                &format_args!("{} base units were paid for {}", paid.price, self.url),
                &"paychan spent shows it",
            ),
            None => failure,
        };
        let body = body.map_err(told)?;
        if let Some(path) = &self.to_file {
            let written = std::fs::write(path, &body);
            written
                .map_err(|e| told(Failure::new(Kind::Output, format!("{} can't be written: {e}", path.display()))))?;
        }
        let shown = Answer::new(&response, paid.as_ref(), (self.to_file.is_none()).then_some(body.as_slice()), opened);
        if output.is_json() {
            return output.result(&shown).map_err(told);
        }
        let mut out = std::io::stdout().lock();
        let mut text = Vec::new();
        if self.include {
            text.extend(shown.head().into_bytes());
        }
        if self.to_file.is_none() {
            text.extend(&body);
        }
        let written = out.write_all(&text).and_then(|()| out.flush());
        match written {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(told(Failure::new(Kind::Output, format!("standard output can't be written: {e}"))));
            }
            _ => {}
        }
        match shown.paid() {
            Some(paid) => output.progress(format_args!("{} {paid}", response.status().as_u16())),
            None => output.progress(format_args!("{} nothing was paid", response.status().as_u16())),
        }
        Ok(())
    }
}

/// Reads an address. A missing scheme is the usual mistake, and what is missing is not obvious from a parser's words.
fn web_address(text: &str) -> Result<Url, String> {
    let expected = "expected one that begins with http:// or https://, such as https://api.example.com/time";
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) => Err(expected.to_owned()),
        Err(why) => Err(format!("{why}; {expected}")),
    }
}

/// The sum that the payments in this folder have signed, in base units.
fn paid_so_far(folder: &std::path::Path) -> Result<Amount, Failure> {
    let records = Store::read(folder).map_err(|error| unpaid(error.into()))?;
    Ok(records.iter().map(Record::signed_away).fold(Amount::ZERO, Amount::saturating_add))
}

#[derive(Serialize)]
struct WouldCost {
    url: String,
    /// Base units; null when it costs nothing.
    price: Option<Amount>,
    channel: Option<ContractId>,
}

impl fmt::Display for WouldCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = self.price.map_or_else(|| "nothing".to_owned(), |price| format!("{price} base units"));
        let mut rows = vec![("address", self.url.clone()), ("would cost", price)];
        rows.extend(self.channel.map(|channel| ("through", channel.to_string())));
        table(f, rows)
    }
}

/// An error that a policy file gives.
pub(crate) fn bad_policy(why: String) -> Failure {
    Failure::new(Kind::Input, why)
}
