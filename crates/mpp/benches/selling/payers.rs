//! The payers. Each connection has one payer, and each payer has its own channel and its own key.

use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId};
use paychan_mpp::wire::{Action, NetworkName, Payload};

/// How many channels each server knows.
pub(crate) const CHANNELS: u8 = 64;
/// The price of a request, in base units.
pub(crate) const PRICE: u64 = 10;
/// The passphrase of the network for which vouchers are signed.
pub(crate) const PASSPHRASE: &str = "Standalone Network ; February 2017";

/// The key that signs the vouchers of the channel with this number.
pub(crate) fn key(number: u8) -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap()
}

/// All payers of one server.
pub(crate) struct Payers(Vec<Payer>);

/// A payer, with the total that it has signed so far.
pub(crate) struct Payer {
    pub(crate) channel: ContractId,
    key: CommitmentSecret,
    signed: u64,
}

impl Payers {
    pub(crate) fn new() -> Self {
        let payer = |number| Payer { channel: ContractId([number; 32]), key: key(number), signed: 0 };
        Self((1..=CHANNELS).map(payer).collect())
    }

    /// Signs `each` vouchers with each of the first `payers` payers.
    pub(crate) fn sign(&mut self, payers: usize, each: usize) -> Vec<(ContractId, Vec<Payload>)> {
        let first = self.0.iter_mut().take(payers);
        first.map(|payer| (payer.channel, (0..each).map(|_| payer.sign()).collect())).collect()
    }
}

impl Payer {
    fn sign(&mut self) -> Payload {
        self.signed += PRICE;
        let amount = Amount::from(self.signed);
        let network = NetworkName::of_passphrase(PASSPHRASE).id();
        let signature = Commitment { network, channel: self.channel, amount }.sign(&self.key);
        Payload { action: Action::Voucher, amount, signature }
    }
}
