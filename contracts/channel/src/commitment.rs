//! The bytes that a funder signs: "the recipient may have `amount` in total".

use soroban_sdk::{Address, Bytes, BytesN, Env, Symbol, contracttype, symbol_short, xdr::ToXdr};

/// Signed as the XDR of `ScVal::Map{ amount, channel, domain, network }`, keys in that (sorted) order.
///
/// Network and channel keep a signature from counting elsewhere; the domain keeps it apart from anything else that the
/// same key may ever sign.
#[contracttype(export = false)]
struct Commitment {
    amount: i128,
    channel: Address,
    domain: Symbol,
    network: BytesN<32>,
}

/// The bytes to sign for a cumulative `amount` of this channel, on this network.
pub(crate) fn to_bytes(env: &Env, channel: &Address, amount: i128) -> Bytes {
    Commitment {
        amount,
        channel: channel.clone(),
        domain: symbol_short!("chancmmt"),
        network: env.ledger().network_id(),
    }
    .to_xdr(env)
}
