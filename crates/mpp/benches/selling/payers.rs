//! The payers: one for each connection, with a channel and a key of its own.

use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId};
use paychan_mpp::wire::{Action, NetworkName, Payload};

/// The number of channels that every server knows.
pub(crate) const CHANNELS: u8 = 64;
/// The price of a request, in base units.
pub(crate) const PRICE: u64 = 10;
/// The passphrase of the vouchers' network.
pub(crate) const PASSPHRASE: &str = "Standalone Network ; February 2017";

/// The key of a channel's vouchers.
pub(crate) fn key(number: u8) -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap()
}

/// All payers of a server, and how much each has signed.
pub(crate) struct Payers(Vec<Payer>);

/// One payer.
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
