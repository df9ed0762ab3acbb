//! `paychan inspect` shows a channel as the chain has it.

use std::fmt;

use clap::Args;
use paychan_channel::{Address, Amount, ChannelState, ContractId, Layout, Ledger, Life, WasmHash};
use serde::Serialize;

use crate::error::Failure;
use crate::network::NetworkArgs;
use crate::output::{Output, table};
use crate::session::Session;
use crate::token::Token;

/// Show a channel as the chain has it: parties, amounts, deadline, how long its entries live
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan inspect CCHANNEL... --network testnet
  paychan inspect CCHANNEL... --network testnet --json | jq -r .coverage")]
pub(crate) struct Inspect {
    /// The channel's address (C...)
    #[arg(value_name = "CHANNEL")]
    channel: ContractId,

    #[command(flatten)]
    network: NetworkArgs,
}

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Open,
    /// A close has started, and the deadline has not come yet.
    Closing,
    /// The deadline has come; the recipient can still settle until the funder's refund.
    Refundable,
    /// Nothing can be settled any more.
    Final,
}

#[derive(Serialize)]
struct Inspected {
    channel: ContractId,
    status: Status,
    contract: String,
    wasm_hash: WasmHash,
    token: ContractId,
    token_name: String,
    token_decimals: u32,
    from: Address,
    to: Address,
    commitment_key: String,
    refund_waiting_period: u32,
    /// Null where the contract keeps no record of it.
    deposited: Option<Amount>,
    withdrawn: Amount,
    balance: Amount,
    /// The most that the chain would pay the recipient in total.
    coverage: Amount,
    deadline: Option<Ledger>,
    last_safe_ledger: Option<Ledger>,
    /// False when the issuer has frozen the channel's balance.
    balance_authorized: bool,
    /// True when the issuer can take the balance away.
    balance_clawback: bool,
    lives: Vec<EntryLife>,
    read_at: Ledger,
    #[serde(skip)]
    token_shown: Token,
}

#[derive(Debug, Serialize)]
struct EntryLife {
    entry: &'static str,
    /// The last ledger at which the entry is live; null when the entry does not exist, 0 when it is archived.
    live_until: Option<Ledger>,
    archived: bool,
}

impl EntryLife {
    fn shown(&self, now: Ledger) -> String {
        match self.live_until {
            None => "none".to_owned(),
            Some(_) if self.archived => "archived: must be restored before the channel can be used".to_owned(),
            Some(until) => format!("live until ledger {until}, {} more ledgers", until.since(now)),
        }
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.token_shown.show(amount);
        let mut rows = vec![
            ("channel", self.channel.to_string()),
            ("status", self.status_shown()),
            ("contract", format!("{}, Wasm {}", self.contract, self.wasm_hash)),
            ("token", format!("{}, {}", self.token_name, self.token)),
            ("from (funder)", self.from.to_string()),
            ("to (recipient)", self.to.to_string()),
            ("commitment key", self.commitment_key.clone()),
            ("waiting period", format!("{} ledgers", self.refund_waiting_period)),
            ("deposited", self.deposited.map_or_else(|| "not recorded by this contract".to_owned(), show)),
            ("withdrawn", show(self.withdrawn)),
            ("balance", show(self.balance)),
            ("coverage", show(self.coverage)),
        ];
        if !self.balance_authorized {
            rows.push(("frozen", "the issuer does not let the channel move its balance".to_owned()));
        }
        if self.balance_clawback {
            rows.push(("clawback", "the issuer can take the balance away".to_owned()));
        }
        if let (Some(deadline), Some(last_safe)) = (self.deadline, self.last_safe_ledger) {
            rows.push(("deadline", format!("ledger {deadline}, in {} ledgers", deadline.since(self.read_at))));
            rows.push(("last safe ledger", last_safe.to_string()));
        }
        rows.extend(self.lives.iter().map(|life| (life.entry, life.shown(self.read_at))));
        rows.push(("read at", format!("ledger {}", self.read_at)));
        table(f, rows)
    }
}

impl Inspected {
    fn status_shown(&self) -> String {
        match self.status {
            Status::Open => "open",
            Status::Closing => "closing: settle before the deadline",
            Status::Refundable => "the deadline has come: settle at once, the funder can take everything back",
            Status::Final => "final: closed for good",
        }
        .to_owned()
    }
}

fn status(state: &ChannelState) -> Status {
    match state.deadline() {
        _ if state.is_final() => Status::Final,
        None => Status::Open,
        // A transaction that is sent now gets into the next ledger at the earliest.
        Some(deadline) if state.read_at.saturating_add(1) >= deadline => Status::Refundable,
        Some(_) => Status::Closing,
    }
}

fn lives(state: &ChannelState) -> Vec<EntryLife> {
    let life = |entry, live_until| EntryLife {
        entry,
        live_until,
        archived: Life::of(live_until, state.read_at) == Life::Archived,
    };
    let of = &state.lives;
    let mut lives = vec![
        life("instance", of.instance),
        life("code", of.code),
        life("token balance", of.token_balance),
        life("token instance", of.token_instance),
    ];
    // A Stellar asset's contract has no Wasm of its own.
    if of.token_code.is_some() {
        lives.push(life("token code", of.token_code));
    }
    lives
}

impl Inspect {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        let session = Session::connect_to_read(&self.network, output).await?;
        let state = session.channel(&self.channel).await?;
        let token = Token::of_channel(&session, &state).await?;
        output.result(&Inspected {
            channel: state.channel,
            status: status(&state),
            contract: match state.layout {
                Layout::Paychan => "paychan",
                Layout::Reference => "reference",
                Layout::Fork => "fork",
            }
            .to_owned(),
            wasm_hash: state.wasm_hash,
            token: state.token,
            token_name: token.name.clone(),
            token_decimals: token.decimals,
            from: state.from,
            to: state.to,
            commitment_key: hex::encode(state.commitment_key),
            refund_waiting_period: state.refund_waiting_period,
            deposited: state.deposited,
            withdrawn: state.withdrawn,
            balance: state.balance,
            coverage: state.coverage(),
            deadline: state.deadline(),
            last_safe_ledger: state.last_safe_ledger(),
            balance_authorized: state.balance_authorized,
            balance_clawback: state.balance_clawback,
            lives: lives(&state),
            read_at: state.read_at,
            token_shown: token,
        })
    }
}
