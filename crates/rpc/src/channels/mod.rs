//! Reads channels: all entries of one channel in one call, so that they are of one ledger.

use std::collections::HashSet;

use paychan_channel::{
    ChannelEntries, ChannelKeys, ChannelState, ContractId, Lives, StateError, WasmHash, decode_instance, decode_state,
    ledger_keys,
};
use stellar_xdr::LedgerKey;

use crate::{Client, Entries, MAX_KEYS, RpcError, UndecodableEntry};

/// Why a channel could not be read. Archived entries are no error: they come with their contents, and
/// [`Lives`](paychan_channel::Lives) says which they are.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No contract has this address on this network.
    #[error("no contract has the address {0} on this network; check the address and the network")]
    NotFound(ContractId),
    /// There is a contract, but no channel that can be read.
    #[error(transparent)]
    NotAChannel(#[from] StateError),
    /// One of its entries exists and can't be decoded: a newer protocol wrote it, or the node errs. What was known of
    /// the channel before stays valid until a later reading.
    #[error("the channel {channel} can't be read: {error}")]
    Undecodable {
        /// The channel.
        channel: ContractId,
        /// What was wrong with the entry.
        error: UndecodableEntry,
    },
    /// The contract's code or token is not the one that it had before.
    #[error("{channel} has changed its {what} since it was first read")]
    Changed {
        /// The channel.
        channel: ContractId,
        /// What changed.
        what: &'static str,
    },
    /// The endpoint gave no usable answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

/// The parts of a channel that never change, and that name its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownChannel {
    /// Its address.
    pub channel: ContractId,
    /// The hash of its code.
    pub wasm_hash: WasmHash,
    /// Its token.
    pub token: ContractId,
    /// Its token's code, if it has some of its own.
    pub token_code: Option<WasmHash>,
}

impl KnownChannel {
    /// The unchanging parts of a channel that has been read.
    #[must_use]
    pub fn of(state: &ChannelState) -> KnownChannel {
        KnownChannel {
            channel: state.channel,
            wasm_hash: state.wasm_hash,
            token: state.token,
            token_code: state.token_kind.code(),
        }
    }

    fn keys(&self) -> ChannelKeys {
        ChannelKeys::of(&self.channel, &self.wasm_hash, &self.token, self.token_code.as_ref())
    }
}

/// Reads a channel of which nothing is known but its address.
///
/// It reads the instance first, to learn where the other entries are, and then all entries in one call, which gives the
/// state. For a token with code of its own, it makes that call again with the code's key.
///
/// # Errors
/// [`ReadError`].
pub async fn read_channel(client: &Client, channel: &ContractId) -> Result<ChannelState, ReadError> {
    let key = ledger_keys::instance(channel);
    let first = client.get_ledger_entries(std::slice::from_ref(&key)).await?;
    let undecodable = |error| ReadError::Undecodable { channel: *channel, error };
    let instance = first.get(&key).map_err(undecodable)?.ok_or(ReadError::NotFound(*channel))?;
    let facts = decode_instance(channel, &instance.data)?;
    let mut known =
        KnownChannel { channel: *channel, wasm_hash: facts.wasm_hash, token: facts.token, token_code: None };
    let state = read_known(client, &known).await?;
    if state.token_kind.code().is_none() {
        return Ok(state);
    }
    known.token_code = state.token_kind.code();
    read_known(client, &known).await
}

async fn read_known(client: &Client, known: &KnownChannel) -> Result<ChannelState, ReadError> {
    let keys: Vec<LedgerKey> = known.keys().iter().cloned().collect();
    let entries = client.get_ledger_entries(&keys).await?;
    state_of(known, &entries)
}

/// Reads channels whose entries are known, in as few calls as possible: each channel's entries are in one call, and
/// each call has shared entries (code, tokens) once. The answers are in the order of `channels`; each state names its
/// own ledger.
///
/// # Errors
/// [`RpcError`] when a call got no answer. An error of one channel alone is that channel's answer.
pub async fn read_channels(
    client: &Client,
    channels: &[KnownChannel],
) -> Result<Vec<Result<ChannelState, ReadError>>, RpcError> {
    let mut states = Vec::with_capacity(channels.len());
    for batch in batches(channels) {
        let keys: Vec<LedgerKey> =
            batch.iter().flat_map(|known| known.keys().iter().cloned().collect::<Vec<_>>()).collect();
        let entries = client.get_ledger_entries(&keys).await?;
        states.extend(batch.iter().map(|known| state_of(known, &entries)));
    }
    Ok(states)
}

/// Splits the channels into batches of consecutive ones that have at most [`MAX_KEYS`] different keys together.
fn batches(channels: &[KnownChannel]) -> Vec<&[KnownChannel]> {
    let mut batches = Vec::new();
    let mut start = 0;
    let mut seen: HashSet<LedgerKey> = HashSet::new();
    for (index, known) in channels.iter().enumerate() {
        let keys = known.keys();
        let fresh = keys.iter().filter(|key| !seen.contains(key)).count();
        if seen.len() + fresh > MAX_KEYS {
            batches.extend(channels.get(start..index));
            start = index;
            seen.clear();
        }
        seen.extend(keys.iter().cloned());
    }
    batches.extend(channels.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

fn state_of(known: &KnownChannel, entries: &Entries) -> Result<ChannelState, ReadError> {
    let channel = known.channel;
    let keys = known.keys();
    let undecodable = |error| ReadError::Undecodable { channel, error };
    let instance = entries.get(&keys.instance).map_err(undecodable)?.ok_or(ReadError::NotFound(channel))?;
    let live_until = |key: &LedgerKey| entries.live_until(key);
    let lives = Lives {
        instance: live_until(&keys.instance),
        code: live_until(&keys.code),
        token_balance: live_until(&keys.token_balance),
        token_instance: live_until(&keys.token_instance),
        token_code: keys.token_code.as_ref().and_then(live_until),
    };
    let facts = decode_instance(&channel, &instance.data)?;
    if facts.wasm_hash != known.wasm_hash {
        return Err(ReadError::Changed { channel, what: "code" });
    }
    if facts.token != known.token {
        return Err(ReadError::Changed { channel, what: "token" });
    }
    let state = decode_state(
        &channel,
        &ChannelEntries {
            instance: &instance.data,
            balance: entries.get(&keys.token_balance).map_err(undecodable)?.map(|entry| &entry.data),
            // The channel can be paid out without this entry; then only its token's kind is unknown.
            token_instance: entries.get(&keys.token_instance).ok().flatten().map(|entry| &entry.data),
            lives,
            read_at: instance.read_at,
        },
    )?;
    Ok(state)
}

#[cfg(test)]
mod tests;
