#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails here says where, and nobody links to tests")]
//! Tests the store from outside: what it promises when disks fail, processes are killed and files are damaged.

mod accepting;
mod charging;
mod checkpoints;
mod crash;
mod damage;
mod disk;
mod fixtures;
mod full;
mod index;
mod model;
mod power;
mod repair;
mod snapshot;
mod transactions;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paychan_channel::{
    AccountId, Address, Amount, Commitment, CommitmentSecret, ContractId, Layout, Ledger, NetworkId, Signature,
    Stroops, WasmHash,
};
use paychan_store::{
    AcceptError, Admission, Charge, ChargeError, Charged, Claim, Credit, Gate, Held, Offer, Options, Purpose,
    Recovered, Refusal, RequestId, SignedTransaction, Store, StoreError,
};

/// The network of all these stores.
pub(crate) fn network() -> NetworkId {
    NetworkId::of("Store Test Network ; November 2026")
}

pub(crate) fn amount(units: i128) -> Amount {
    Amount::new(units).unwrap()
}

pub(crate) fn id(text: &str) -> RequestId {
    RequestId::new(text).unwrap()
}

/// A funder with one channel.
pub(crate) struct Funder {
    pub(crate) channel: ContractId,
    secret: CommitmentSecret,
}

impl Funder {
    pub(crate) fn number(number: u8) -> Self {
        Funder {
            channel: ContractId([number; 32]),
            secret: CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap(),
        }
    }

    pub(crate) fn admission(&self) -> Admission {
        Admission {
            channel: self.channel,
            token: ContractId([200; 32]),
            from: Address::Account(AccountId([201; 32])),
            to: Address::Contract(ContractId([202; 32])),
            commitment_key: self.secret.public().to_bytes(),
            refund_waiting_period: 17_280,
            wasm_hash: WasmHash([203; 32]),
            layout: Layout::Paychan,
            admitted_at: Ledger(1_000),
            paid_before: Amount::ZERO,
            clawback: false,
        }
    }

    pub(crate) fn sign(&self, units: i128) -> Signature {
        let commitment = Commitment { network: network(), channel: self.channel, amount: amount(units) };
        commitment.sign(&self.secret)
    }

    pub(crate) fn claim(&self, units: i128) -> Claim {
        Claim { amount: amount(units), signature: self.sign(units) }
    }

    /// A charge of `price`, with a commitment for `total` if one is given.
    pub(crate) fn charge(&self, price: i128, total: Option<i128>, request_id: &str) -> Charge {
        Charge {
            channel: self.channel,
            price: amount(price),
            request_id: id(request_id),
            commitment: total.map(|total| self.claim(total)),
        }
    }

    pub(crate) fn credit(&self, units: i128, request_id: &str) -> Credit {
        Credit { channel: self.channel, request_id: id(request_id), amount: amount(units) }
    }

    pub(crate) fn offer(&self, units: i128, request_id: &str) -> Offer {
        Offer { channel: self.channel, amount: amount(units), signature: self.sign(units), request_id: id(request_id) }
    }
}

/// A gate that lets everything through, since these tests are about the store.
pub(crate) struct Open;

impl Gate for Open {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Small segments, so that a few records already make new ones and checkpoints.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 700,
        compact_after_bytes: 1_500,
        remembered_requests: 4,
        reserve_bytes: 0,
        ..Options::default()
    }
}

pub(crate) fn start(dir: &Path, options: Options) -> Result<(Store, Recovered), StoreError> {
    Store::open(dir, &network(), options, Arc::new(Open))
}

pub(crate) fn open(dir: &Path, options: Options) -> Store {
    start(dir, options).unwrap().0
}

/// Submits a commitment and checks that the answer is new and no replay.
pub(crate) async fn accept(store: &Store, funder: &Funder, units: i128, request_id: &str) {
    let accepted = store.accept(funder.offer(units, request_id)).await;
    let accepted = accepted.unwrap_or_else(|error| panic!("{units} under {request_id}: {error}"));
    assert_eq!((accepted.highest, accepted.replayed), (amount(units), false), "{units} under {request_id}");
}

/// Makes a charge, checks that the answer is new and no replay, and returns it.
pub(crate) async fn charge(
    store: &Store,
    funder: &Funder,
    price: i128,
    total: Option<i128>,
    request_id: &str,
) -> Charged {
    let charged = store.charge(funder.charge(price, total, request_id)).await;
    let charged = charged.unwrap_or_else(|error| panic!("{price} under {request_id}: {error}"));
    assert_eq!((charged.price, charged.replayed), (amount(price), false), "{price} under {request_id}");
    charged
}

pub(crate) async fn charge_refusal(
    store: &Store,
    funder: &Funder,
    price: i128,
    total: Option<i128>,
    request_id: &str,
) -> ChargeError {
    store.charge(funder.charge(price, total, request_id)).await.expect_err("this charge should be refused")
}

pub(crate) async fn refusal(store: &Store, funder: &Funder, units: i128, request_id: &str) -> AcceptError {
    store.accept(funder.offer(units, request_id)).await.expect_err("this offer should be refused")
}

pub(crate) fn highest(store: &Store, funder: &Funder) -> i128 {
    store.held(&funder.channel).expect("the channel is admitted").highest_amount().get()
}

pub(crate) fn settlement(number: u8, channel: ContractId, units: i128) -> SignedTransaction {
    SignedTransaction {
        hash: [number; 32],
        lane: AccountId([210; 32]),
        purpose: Purpose::Settle { channel, amount: amount(units) },
        envelope: vec![number; 40],
        sequence: i64::from(number),
        signed_at: Ledger(2_000),
        max_ledger: Ledger(2_005),
        fee: Stroops(50_100),
    }
}

/// The journal's files under a store's directory, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Copies a journal, and nothing else, to a new store's directory.
pub(crate) fn copy_journal(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("journal")).unwrap();
    for file in segments(from) {
        fs::copy(&file, to.join("journal").join(file.file_name().unwrap())).unwrap();
    }
}

/// Copies a directory and everything in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
