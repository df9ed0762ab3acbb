//! The bytes that a funder signs. They say that the recipient may have `amount` base units in total.

use soroban_sdk::{Address, Bytes, BytesN, Env, Symbol, contracttype, symbol_short, xdr::ToXdr};

/// The signed message: the XDR of `ScVal::Map{ amount, channel, domain, network }`, with its keys sorted.
///
/// The network and the channel make the signature worthless elsewhere. The domain tells it from anything else that the
/// same key may ever sign.
#[contracttype(export = false)]
struct Commitment {
    amount: i128,
    channel: Address,
    domain: Symbol,
    network: BytesN<32>,
}

/// The bytes to sign for a cumulative `amount`, in base units, of this channel on this network.
pub(crate) fn to_bytes(env: &Env, channel: &Address, amount: i128) -> Bytes {
    Commitment {
        amount,
        channel: channel.clone(),
        domain: symbol_short!("chancmmt"),
        network: env.ledger().network_id(),
    }
    .to_xdr(env)
}
