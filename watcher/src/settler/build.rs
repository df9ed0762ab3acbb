//! Making the signed transaction that goes to the journal.

use paychan_channel::xdr::{LedgerKey, Limits, Transaction, TransactionEnvelope, WriteXdr};
use paychan_channel::{ChannelKeys, ChannelState, Ledger, NetworkId, Stroops};
use paychan_rpc::SecretKey;

use crate::chain::Request;
use crate::store::{Purpose, SignedTransaction};

/// The entries that settling a channel touches.
pub(super) fn keys_of(state: &ChannelState) -> Vec<LedgerKey> {
    let token_code = state.token_kind.code();
    let keys = ChannelKeys::of(&state.channel, &state.wasm_hash, &state.token, token_code.as_ref());
    keys.iter().cloned().collect()
}
