//! Tests what the seller expects of the watcher's store.

use std::sync::Arc;

use paychan_channel::{
    AccountId, Address, Amount, Commitment, CommitmentSecret, ContractId, Layout, Ledger, NetworkId, RequestId,
    WasmHash,
};
use paychan_store::{Admission, Charge, ChargeError, Claim, Gate, Held, Options, Refusal, Store};

use crate::env::CHANNEL;

struct Open;

impl Gate for Open {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        Ok(())
    }
}

#[tokio::test]
async fn a_price_that_nobody_can_pay_finds_an_earlier_charge_and_takes_nothing() {
    let (folder, network) = (tempfile::tempdir().unwrap(), NetworkId::of("Seller Test Network"));
    let key = CommitmentSecret::generate().unwrap();
    let options = Options { reserve_bytes: 0, ..Options::default() };
    let (store, _) = Store::open(folder.path(), &network, options, Arc::new(Open)).unwrap();
    let admission = Admission {
        channel: CHANNEL,
        token: ContractId([200; 32]),
        from: Address::Account(AccountId([201; 32])),
        to: Address::Account(AccountId([202; 32])),
        commitment_key: key.public().to_bytes(),
        refund_waiting_period: 17_280,
        wasm_hash: WasmHash([203; 32]),
        layout: Layout::Paychan,
        admitted_at: Ledger(1_000),
        paid_before: Amount::ZERO,
        clawback: false,
    };
    store.admit(admission).await.unwrap();
    let charge = |price, id| {
        let amount = Amount::from(100);
        let signature = Commitment { network, channel: CHANNEL, amount }.sign(&key);
        let request_id = RequestId::new(id).unwrap();
        store.charge(Charge { channel: CHANNEL, price, request_id, commitment: Some(Claim { amount, signature }) })
    };
    charge(Amount::from(10), "sold").await.unwrap();
    let found = charge(Amount::MAX, "sold").await.unwrap_err();
    let ChargeError::RequestIdReused { price, accepted, .. } = &found else { panic!("{found}") };
    assert_eq!((*price, *accepted), (Some(Amount::from(10)), Some(Amount::from(100))));
    let none = charge(Amount::MAX, "not sold").await.unwrap_err();
    assert!(matches!(none, ChargeError::Insufficient { .. }), "{none}");
    let held = store.held(&CHANNEL).unwrap();
    assert_eq!((held.highest_amount(), held.spent), (Amount::from(100), Amount::from(10)));
    store.shutdown().await.unwrap();
}
