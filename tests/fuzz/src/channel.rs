//! XDR that an endpoint sends of channels: their ledger entries and their events.

use paychan_channel::xdr::{LedgerEntryData, Limits, ReadXdr, ScVal};
use paychan_channel::{Amount, ChannelEntries, ContractId, Ledger, Life, Lives, decode_state, events};

use crate::pieces::Pieces;

/// The channel that the entries are read as.
pub const CHANNEL: ContractId = ContractId([1; 32]);
/// How deep XDR may nest, as for the client of the RPC.
const DEPTH: u32 = 500;

fn xdr<T: ReadXdr>(bytes: &[u8]) -> Option<T> {
    T::from_xdr(bytes, Limits { depth: DEPTH, len: bytes.len() }).ok()
}

/// Up to three entries: the channel's instance, its balance, its token's instance. Understood: they are a channel's state.
pub fn entries(bytes: &[u8]) -> bool {
    let found: Vec<Option<LedgerEntryData>> = Pieces::of(bytes).take(3).map(xdr).collect();
    let entry = |at: usize| found.get(at).and_then(Option::as_ref);
    let Some(instance) = entry(0) else { return false };
    let lives = Lives { instance: Some(Ledger(90)), ..Lives::default() };
    let entries = ChannelEntries { instance, balance: entry(1), token_instance: entry(2), lives, read_at: Ledger(100) };
    match decode_state(&CHANNEL, &entries) {
        Ok(state) => {
            assert_eq!(Life::of(state.lives.instance, state.read_at), Life::Archived);
            assert_eq!(state.unsettled(Amount::ZERO), Amount::ZERO);
            assert!(state.coverage() >= Amount::ZERO && state.unsettled(Amount::MAX) <= Amount::MAX);
            let _ = (state.deadline(), state.is_closing(), state.is_final(), format!("{state:?}"));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// The topics of an event, and its data as the last piece. Understood: it is a channel's event.
pub fn event(bytes: &[u8]) -> bool {
    let values: Option<Vec<ScVal>> = Pieces::of(bytes).take(6).map(xdr).collect();
    let Some((data, topics)) = values.as_deref().and_then(|values| values.split_last()) else { return false };
    match events::decode(topics, data) {
        Ok(event) => event.is_some(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
