//! Reads a [`ChannelState`] from ledger entries. The entries come from a node and may be anything.

use stellar_xdr::{ContractExecutable, LedgerEntryData, ScMap, ScVal, ScVec};

use crate::scval::{Named, Naming, address_of, amount_of, contract_of, u32_of, variant_text};
use crate::token::instance_of;
use crate::{
    Address, Amount, ChannelState, ContractId, Layout, Ledger, Lives, StateError, StateErrorKind, ValueError, WasmHash,
    ledger_keys, token_kind,
};

/// What a channel's instance entry alone tells: enough to know which other entries to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// Its address.
    pub channel: ContractId,
    /// The layout that the storage keys show. See [`ChannelState::expect_layout`] for what keys can't show.
    pub layout: Layout,
    /// Its code.
    pub wasm_hash: WasmHash,
    /// The token it holds and pays.
    pub token: ContractId,
    /// The funder.
    pub from: Address,
    /// The recipient.
    pub to: Address,
    /// The commitment key as stored.
    pub commitment_key: [u8; 32],
    /// Ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
    /// The sum of all deposits, in base units; `None` where the layout does not record it.
    pub deposited: Option<Amount>,
    /// The sum paid out so far, in base units.
    pub withdrawn: Amount,
    /// The deadline, if one is set.
    pub close_effective_at: Option<Ledger>,
    /// Whether the channel is closed or refunded for ever; false where the layout does not record it.
    pub refunded: bool,
}

/// The entries of one channel, all read at the same ledger.
#[derive(Debug, Clone, Copy)]
pub struct ChannelEntries<'a> {
    /// The channel's instance entry.
    pub instance: &'a LedgerEntryData,
    /// The channel's balance entry in its token; `None` when the token has none for it.
    pub balance: Option<&'a LedgerEntryData>,
    /// The token's instance entry.
    pub token_instance: Option<&'a LedgerEntryData>,
    /// How long each entry lives.
    pub lives: Lives,
    /// The ledger they were read at.
    pub read_at: Ledger,
}

/// Reads a channel's instance entry, recognising the layout from the keys that are there.
///
/// The key `Terms` means our layout; `Token` with `DepositedAmount` or `Refunded` means the fork's; `Token` without
/// them means the reference's. Each layout also needs `CommitmentKey`. Anything else is an error.
///
/// # Errors
/// [`StateError`] with the kind of what was wrong. Negative and missing amounts are errors, never zero.
pub fn decode_instance(channel: &ContractId, entry: &LedgerEntryData) -> Result<InstanceFacts, StateError> {
    facts(channel, entry).map_err(|kind| StateError { channel: *channel, kind })
}

/// Reads a channel's state from all its entries. A missing balance entry is a balance of 0.
///
/// # Errors
/// The errors of [`decode_instance`]; and one when the balance entry is not this channel's, or has neither of the two
/// known forms: the Stellar asset contract's map of `amount`, `authorized` and `clawback`, and a plain amount.
pub fn decode_state(channel: &ContractId, entries: &ChannelEntries<'_>) -> Result<ChannelState, StateError> {
    let facts = decode_instance(channel, entries.instance)?;
    let balance = match entries.balance {
        None => Balance { amount: Amount::ZERO, authorized: true, clawback: false },
        Some(entry) => balance(channel, &facts.token, entry).map_err(|kind| StateError { channel: *channel, kind })?,
    };
    Ok(ChannelState {
        channel: facts.channel,
        layout: facts.layout,
        wasm_hash: facts.wasm_hash,
        token: facts.token,
        token_kind: token_kind(&facts.token, entries.token_instance),
        from: facts.from,
        to: facts.to,
        commitment_key: facts.commitment_key,
        refund_waiting_period: facts.refund_waiting_period,
        deposited: facts.deposited,
        withdrawn: facts.withdrawn,
        close_effective_at: facts.close_effective_at,
        refunded: facts.refunded,
        balance: balance.amount,
        balance_authorized: balance.authorized,
        balance_clawback: balance.clawback,
        lives: entries.lives,
        read_at: entries.read_at,
    })
}

fn facts(channel: &ContractId, entry: &LedgerEntryData) -> Result<InstanceFacts, StateErrorKind> {
    let instance = instance_of(channel, entry).ok_or(StateErrorKind::NotAnInstance)?;
    let wasm_hash = match &instance.executable {
        ContractExecutable::Wasm(hash) => WasmHash(hash.0),
        ContractExecutable::StellarAsset => return Err(StateErrorKind::StellarAsset),
        ContractExecutable::ExternalRef(_) => return Err(StateErrorKind::CodeElsewhere),
    };
    let empty = ScMap::default();
    let map = instance.storage.as_ref().unwrap_or(&empty);
    let storage = Named::new(map, Naming::Variant);
    let layout = layout(storage).ok_or_else(|| StateErrorKind::ForeignLayout { keys: key_names(map) })?;
    let terms = match layout {
        Layout::Paychan => terms_together(storage)?,
        Layout::Reference | Layout::Fork => terms_apart(storage)?,
    };
    let deposited = match layout {
        Layout::Paychan => Some(storage.amount("DepositedAmount")?),
        Layout::Fork => Some(amount_or_zero(storage, "DepositedAmount")?),
        Layout::Reference => None,
    };
    let withdrawn = match layout {
        Layout::Paychan => storage.amount("WithdrawnAmount")?,
        // Both contracts write this key only with the first payment.
        Layout::Reference | Layout::Fork => amount_or_zero(storage, "WithdrawnAmount")?,
    };
    let close_effective_at = match storage.has("CloseEffectiveAtLedger") {
        true => Some(Ledger(storage.u32("CloseEffectiveAtLedger")?)),
        false => None,
    };
    let refunded = storage.has("Refunded") && storage.bool("Refunded")?;
    Ok(InstanceFacts {
        channel: *channel,
        layout,
        wasm_hash,
        token: terms.token,
        from: terms.from,
        to: terms.to,
        commitment_key: storage.bytes32("CommitmentKey")?,
        refund_waiting_period: terms.refund_waiting_period,
        deposited,
        withdrawn,
        close_effective_at,
        refunded,
    })
}

fn layout(storage: Named<'_>) -> Option<Layout> {
    if !storage.has("CommitmentKey") {
        return None;
    }
    if storage.has("Terms") {
        return Some(Layout::Paychan);
    }
    if !storage.has("Token") {
        return None;
    }
    if storage.has("DepositedAmount") || storage.has("Refunded") {
        return Some(Layout::Fork);
    }
    Some(Layout::Reference)
}

struct Terms {
    from: Address,
    to: Address,
    token: ContractId,
    refund_waiting_period: u32,
}

/// Our layout has one `Vec[from, to, token, refund_waiting_period]`.
fn terms_together(storage: Named<'_>) -> Result<Terms, ValueError> {
    let Some(ScVal::Vec(Some(ScVec(items)))) = storage.find("Terms") else {
        return Err(ValueError::WrongType { name: "Terms", expected: "a vec of four values" });
    };
    let [from, to, token, refund_waiting_period] = items.as_slice() else {
        return Err(ValueError::WrongType { name: "Terms", expected: "a vec of four values" });
    };
    Ok(Terms {
        from: address_of(from, "from")?,
        to: address_of(to, "to")?,
        token: contract_of(token, "token")?,
        refund_waiting_period: u32_of(refund_waiting_period, "refund_waiting_period")?,
    })
}

/// The reference's and the fork's layouts have one key for each term.
fn terms_apart(storage: Named<'_>) -> Result<Terms, ValueError> {
    Ok(Terms {
        from: storage.address("From")?,
        to: storage.address("To")?,
        token: storage.contract("Token")?,
        refund_waiting_period: storage.u32("RefundWaitingPeriod")?,
    })
}

fn amount_or_zero(storage: Named<'_>, name: &'static str) -> Result<Amount, ValueError> {
    if storage.has(name) { storage.amount(name) } else { Ok(Amount::ZERO) }
}

/// Names of a foreign contract's keys, for the message. Symbols are at most 32 characters of `[a-zA-Z0-9_]` on chain, but
/// these bytes come from a node, so anything else is not repeated.
fn key_names(map: &ScMap) -> Vec<String> {
    let clean = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    map.0
        .iter()
        .take(StateErrorKind::KEYS_SHOWN)
        .map(|entry| match variant_text(&entry.key) {
            Some(name) if clean(name) => format!("`{name}`"),
            _ => "a key of another form".to_owned(),
        })
        .collect()
}

struct Balance {
    amount: Amount,
    authorized: bool,
    clawback: bool,
}

fn balance(channel: &ContractId, token: &ContractId, entry: &LedgerEntryData) -> Result<Balance, StateErrorKind> {
    let LedgerEntryData::ContractData(data) = entry else {
        return Err(StateErrorKind::NotTheBalance);
    };
    let holder = Address::Contract(*channel);
    if data.contract != token.to_sc() || data.key != ledger_keys::balance_key(&holder) {
        return Err(StateErrorKind::NotTheBalance);
    }
    match &data.val {
        ScVal::Map(Some(map)) => sac_balance(Named::new(map, Naming::Field)),
        plain => amount_of(plain, "balance").map(|amount| Balance { amount, authorized: true, clawback: false }),
    }
    .map_err(StateErrorKind::Balance)
}

fn sac_balance(fields: Named<'_>) -> Result<Balance, ValueError> {
    Ok(Balance {
        amount: fields.amount("amount")?,
        authorized: fields.bool("authorized")?,
        clawback: fields.bool("clawback")?,
    })
}
