//! The rules for admitting channels, with one refusal for each rule.

use paychan_channel::{
    Address, Amount, ChannelState, CommitmentKey, ContractId, KeyError, Ledger, StateError, WasmHash,
};

use crate::config::{Config, Token};
use crate::floor::Floor;
use paychan_channel::{Payability, TokenRisk};
use paychan_store::Admission;
use paychan_watcher_api::ProblemKind;

/// A channel that somebody asks the watcher to watch, as it was read from the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its state from its ledger entries.
    pub state: ChannelState,
    /// What its token's issuer may do.
    pub token: TokenRisk,
    /// Whether its recipient can be paid.
    pub payability: Payability,
    /// The channel's balance as the token's contract reports it, base units. `None` for a Stellar asset's contract,
    /// whose storage is part of the protocol.
    pub told_balance: Option<ToldBalance>,
    /// Whether a simulated call met no archived entry. The call is simulated only when the endpoint says that an entry
    /// is archived, since some endpoints say that of live entries.
    pub proved_live: bool,
}

/// The balance that a token's contract reports; `None` when it does not answer as a SEP-41 token does.
pub type ToldBalance = Option<Amount>;

/// What a candidate is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The operator's lists.
    pub config: &'a Config,
    /// The floor for all watched channels **with this one**, since q grows with each.
    pub floor: &'a Floor,
    /// The shortest waiting period among the channels watched already, in ledgers.
    pub shortest_watched: Option<u32>,
    /// What the watched channels could still pay to the candidate's recipient in its token, base units. The recipient
    /// needs room for it too.
    pub payable_elsewhere: Amount,
}

/// The rule that a channel breaks. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its code is not in the list of trusted code.
    #[error("the channel runs the code {found}, which is not in trusted_code; trusted are {}", list(trusted))]
    ForeignCode {
        /// What it runs.
        found: WasmHash,
        /// What the operator trusts.
        trusted: Vec<WasmHash>,
    },
    /// Its storage does not have the layout that the configuration names for its code.
    #[error("the channel's storage is not laid out as trusted_code says of its code: {0}; correct `layout` there")]
    ForeignLayout(StateError),
    /// It pays somebody else.
    #[error("the channel pays {found}, who is not in recipients; this watcher watches for {}", list(watched))]
    ForeignRecipient {
        /// Whom it pays.
        found: Address,
        /// Whom the operator watches for.
        watched: Vec<Address>,
    },
    /// This watcher could not settle it.
    #[error(
        "the channel's code lets nobody but the recipient settle, and {recipient} has no secret in recipients; give its \
         secret key, or use a channel whose code needs no authorization for `settle`"
    )]
    RecipientKeyMissing {
        /// The recipient.
        recipient: Address,
    },
    /// It pays in a token that the operator did not list.
    #[error("the channel pays in the token {found}, which is not in tokens; listed are {}", list(listed))]
    UnlistedToken {
        /// Its token.
        found: ContractId,
        /// What the operator listed.
        listed: Vec<ContractId>,
    },
    /// The issuer could take the channel's balance back.
    #[error(
        "the issuer of {code} can claw the channel's balance back; set issuer_may_claw_back = true for the token to take \
         that risk"
    )]
    IssuerMayClawBack {
        /// The token's code in the configuration.
        code: String,
    },
    /// The issuer could freeze the channel's balance.
    #[error(
        "the issuer of {code} can freeze the channel's balance; set issuer_may_revoke = true for the token to take that risk"
    )]
    IssuerMayRevoke {
        /// The token's code in the configuration.
        code: String,
    },
    /// The watcher can't read what the token's owner can do.
    #[error(
        "{code} is a contract of its own, whose owner may be able to freeze or take balances; set issuer_may_claw_back \
         and issuer_may_revoke = true for the token to take that risk"
    )]
    OpaqueToken {
        /// The token's code in the configuration.
        code: String,
    },
    /// The balance in the token's entries is not the balance that the token reports.
    #[error(
        "the storage of the token {token} is not known: its ledger entries say that the channel has {read} base units, and \
         its balance() says {}; channels in it can't be watched",
        told.map_or_else(|| "nothing valid".to_owned(), |told| told.to_string())
    )]
    TokenStorageUnknown {
        /// The token.
        token: ContractId,
        /// The balance in its entries.
        read: Amount,
        /// What its `balance()` says.
        told: ToldBalance,
    },
    /// The funder has as many channels here as one funder may have.
    #[error(
        "the funder {funder} has {quota} channels here already, as many as quotas.channels_per_funder allows, and each of \
         them owes something or was used lately; use one of them"
    )]
    TooManyOfFunder {
        /// The funder.
        funder: Address,
        /// The operator's limit.
        quota: u32,
    },
    /// The issuer has frozen the channel's balance already.
    #[error("the issuer of {code} has frozen the channel's balance; nothing can be paid out of it")]
    BalanceFrozen {
        /// The token's code in the configuration.
        code: String,
    },
    /// Its commitment key is not a usable ed25519 key.
    #[error("the channel's commitment key cannot be used: {0}; open another channel with a generated key")]
    WeakKey(KeyError),
    /// A close has started.
    #[error("the channel is closing, its deadline is ledger {deadline}; open a new one")]
    Closing {
        /// The ledger at which the funder can take the rest back.
        deadline: Ledger,
    },
    /// It has ended.
    #[error("the channel has ended; open a new one")]
    Final,
    /// An entry that it needs is archived.
    #[error("the channel's {} must be restored before it can be settled; restore it first (paychan restore)", entries.join(" and "))]
    Archived {
        /// Which entries.
        entries: Vec<&'static str>,
    },
    /// It holds too little.
    #[error(
        "the channel covers {coverage} base units in total, below the token's minimum_deposit of {minimum}; top it up"
    )]
    CoverageTooLow {
        /// Balance plus withdrawn.
        coverage: Amount,
        /// The token's minimum.
        minimum: Amount,
    },
    /// The funder could take the deposit back before a settlement is certain to be done.
    #[error(
        "the channel's refund_waiting_period is {found} ledgers, below the {minimum} that this watcher needs; open one \
         with at least {minimum}"
    )]
    WaitingPeriodTooShort {
        /// The channel's waiting period.
        found: u32,
        /// The larger of the configured minimum and the floor W.
        minimum: u32,
    },
    /// With one more channel, the channels that are watched already would wait too long for their settlement.
    #[error(
        "with one more channel, settling all of them takes so long that waiting periods of at least {floor} ledgers are \
         needed, and a watched channel has {shortest}; let channels end first, or run another watcher"
    )]
    TooManyChannels {
        /// W with this channel.
        floor: u32,
        /// The shortest waiting period watched.
        shortest: u32,
    },
    /// A settlement would fail, since the recipient can't be paid.
    #[error(
        "the recipient cannot be paid the channel's balance of {balance} base units and the {elsewhere} that its other \
         channels hold for it: {payability}"
    )]
    RecipientUnpayable {
        /// What the channel holds.
        balance: Amount,
        /// What the recipient's other watched channels hold in the same token.
        elsewhere: Amount,
        /// Why it can't be paid.
        payability: Payability,
    },
}

impl Refused {
    /// The kind under which the API reports the rule.
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::ForeignCode { .. } => ProblemKind::ForeignCode,
            Self::ForeignLayout(_) => ProblemKind::ForeignLayout,
            Self::ForeignRecipient { .. } => ProblemKind::ForeignRecipient,
            Self::RecipientKeyMissing { .. } => ProblemKind::RecipientKeyMissing,
            Self::UnlistedToken { .. } => ProblemKind::UnlistedToken,
            Self::IssuerMayClawBack { .. } => ProblemKind::IssuerMayClawBack,
            Self::IssuerMayRevoke { .. } => ProblemKind::IssuerMayRevoke,
            Self::OpaqueToken { .. } => ProblemKind::OpaqueToken,
            Self::TokenStorageUnknown { .. } => ProblemKind::TokenStorageUnknown,
            Self::TooManyOfFunder { .. } => ProblemKind::TooManyOfFunder,
            Self::BalanceFrozen { .. } => ProblemKind::BalanceFrozen,
            Self::WeakKey(_) => ProblemKind::WeakKey,
            Self::Closing { .. } => ProblemKind::Closing,
            Self::Final => ProblemKind::Final,
            Self::Archived { .. } => ProblemKind::Archived,
            Self::CoverageTooLow { .. } => ProblemKind::CoverageTooLow,
            Self::WaitingPeriodTooShort { .. } => ProblemKind::WaitingPeriodTooShort,
            Self::TooManyChannels { .. } => ProblemKind::TooManyChannels,
            Self::RecipientUnpayable { .. } => ProblemKind::RecipientUnpayable,
        }
    }
}

/// Decides whether a channel is taken. Returns the record to keep, or the first rule that the channel breaks.
///
/// Ledgers and base units. Pure.
pub fn admit(candidate: Candidate, rules: &Rules<'_>) -> Result<Admission, Refused> {
    let Candidate { state, token: issuer, payability, told_balance, proved_live } = candidate;
    let state = trusted_code(state, rules.config)?;
    recipient(&state, rules.config)?;
    let token = rules.config.token(&state.token).ok_or_else(|| Refused::UnlistedToken {
        found: state.token,
        listed: rules.config.tokens.iter().map(|token| token.contract).collect(),
    })?;
    token_risk(&state, token, &issuer)?;
    if let Some(told) = told_balance.filter(|told| *told != Some(state.balance)) {
        return Err(Refused::TokenStorageUnknown { token: state.token, read: state.balance, told });
    }
    CommitmentKey::from_bytes(state.commitment_key).map_err(Refused::WeakKey)?;
    still_open(&state, proved_live)?;
    waiting_period(&state, rules)?;
    let coverage = state.coverage();
    if coverage < token.minimum_deposit {
        return Err(Refused::CoverageTooLow { coverage, minimum: token.minimum_deposit });
    }
    if !payability.can_take(state.balance.saturating_add(rules.payable_elsewhere)) {
        let (balance, elsewhere) = (state.balance, rules.payable_elsewhere);
        return Err(Refused::RecipientUnpayable { balance, elsewhere, payability });
    }
    Ok(Admission::of(&state))
}

fn trusted_code(state: ChannelState, config: &Config) -> Result<ChannelState, Refused> {
    let code = config.code(&state.wasm_hash).ok_or_else(|| Refused::ForeignCode {
        found: state.wasm_hash,
        trusted: config.trusted_code.iter().map(|code| code.wasm_hash).collect(),
    })?;
    state.expect_layout(code.layout).map_err(Refused::ForeignLayout)
}

fn recipient(state: &ChannelState, config: &Config) -> Result<(), Refused> {
    let recipient = config.recipient(&state.to).ok_or_else(|| Refused::ForeignRecipient {
        found: state.to,
        watched: config.recipients.iter().map(|recipient| recipient.address).collect(),
    })?;
    let needs_key = config.code(&state.wasm_hash).is_some_and(|code| code.settle_needs_recipient);
    if needs_key && recipient.secret.is_none() {
        return Err(Refused::RecipientKeyMissing { recipient: state.to });
    }
    Ok(())
}

fn token_risk(state: &ChannelState, token: &Token, issuer: &TokenRisk) -> Result<(), Refused> {
    let code = || token.code.clone();
    if matches!(issuer, TokenRisk::Opaque) && !(token.issuer_may_claw_back && token.issuer_may_revoke) {
        return Err(Refused::OpaqueToken { code: code() });
    }
    // A balance keeps the clawback mark with which it was opened, whatever the issuer's flags say now.
    if (issuer.may_claw_back() || state.balance_clawback) && !token.issuer_may_claw_back {
        return Err(Refused::IssuerMayClawBack { code: code() });
    }
    if issuer.may_revoke() && !token.issuer_may_revoke {
        return Err(Refused::IssuerMayRevoke { code: code() });
    }
    if !state.balance_authorized {
        return Err(Refused::BalanceFrozen { code: code() });
    }
    Ok(())
}

fn still_open(state: &ChannelState, proved_live: bool) -> Result<(), Refused> {
    if state.is_final() {
        return Err(Refused::Final);
    }
    if let Some(deadline) = state.deadline() {
        return Err(Refused::Closing { deadline });
    }
    let entries: Vec<&'static str> = state.lives.archived(state.read_at).collect();
    if !entries.is_empty() && !proved_live {
        return Err(Refused::Archived { entries });
    }
    Ok(())
}

fn waiting_period(state: &ChannelState, rules: &Rules<'_>) -> Result<(), Refused> {
    let floor = rules.floor.waiting_period;
    if let Some(shortest) = rules.shortest_watched.filter(|shortest| *shortest < floor) {
        return Err(Refused::TooManyChannels { floor, shortest });
    }
    let minimum = rules.config.minimum_refund_waiting_period.max(floor);
    let found = state.refund_waiting_period;
    if found < minimum {
        return Err(Refused::WaitingPeriodTooShort { found, minimum });
    }
    Ok(())
}

fn list<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
