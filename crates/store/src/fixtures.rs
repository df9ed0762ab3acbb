#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
//! A channel and its commitments, for the unit tests of several modules.

use paychan_channel::{
    AccountId, Address, Amount, Commitment, CommitmentSecret, ContractId, Layout, Ledger, NetworkId, WasmHash,
};

use crate::{Admission, HeldCommitment, RequestId};

pub(crate) const NETWORK: NetworkId = NetworkId([77; 32]);

pub(crate) fn secret() -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&"07".repeat(32)).unwrap()
}

pub(crate) fn admission(channel: ContractId) -> Admission {
    Admission {
        channel,
        token: ContractId([2; 32]),
        from: Address::Account(AccountId([3; 32])),
        to: Address::Contract(ContractId([4; 32])),
        commitment_key: secret().public().to_bytes(),
        refund_waiting_period: 17_280,
        wasm_hash: WasmHash([5; 32]),
        layout: Layout::Fork,
        admitted_at: Ledger(9),
        paid_before: Amount::ZERO,
        clawback: false,
    }
}

pub(crate) fn commitment(channel: ContractId, units: i128) -> HeldCommitment {
    let amount = Amount::new(units).unwrap();
    let signed = Commitment { network: NETWORK, channel, amount };
    HeldCommitment {
        amount,
        signature: signed.sign(&secret()),
        request_id: RequestId::new(&format!("r{units}")).unwrap(),
        accepted_at_ms: 1_795_000_000_000,
    }
}
