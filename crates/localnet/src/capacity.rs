//! The capacity of one ledger, and how much of it a transaction takes.

use crate::{
    settings::{Config, MAX_CLASSIC_OPERATIONS},
    transaction::{envelope::Submitted, fees},
};

/// The two parts of a ledger. Each has limits and a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Classic,
    Soroban,
}

impl Phase {
    pub(crate) fn of(tx: &Submitted) -> Self {
        if tx.is_soroban() { Self::Soroban } else { Self::Classic }
    }
}

/// Amounts of the limited resources of a ledger. The classic phase uses only the first amount, which counts operations.
/// The Soroban phase uses all of them: transactions, instructions, bytes of transactions, entries and bytes read from
/// disk, entries and bytes written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capacity([u64; 7]);

impl Capacity {
    /// What the transaction declares to use.
    pub(crate) fn used_by(tx: &Submitted) -> Self {
        let Some(data) = tx.soroban_data().filter(|_| tx.is_soroban()) else {
            return Self([u64::from(fees::paid_operations(tx)), 0, 0, 0, 0, 0, 0]);
        };
        let declared = &data.resources;
        Self([
            1,
            u64::from(declared.instructions),
            u64::from(tx.size()),
            u64::from(fees::disk_read_entries(tx, data)),
            u64::from(declared.disk_read_bytes),
            declared.footprint.read_write.len() as u64,
            u64::from(declared.write_bytes),
        ])
    }

    /// The capacity of a ledger. All Soroban transactions run one after the other here, as in a single cluster of the
    /// public networks (CAP-63), so the limit of instructions is that of one cluster.
    pub(crate) fn of_ledger(phase: Phase, config: &Config) -> Self {
        match phase {
            Phase::Classic => Self([u64::from(MAX_CLASSIC_OPERATIONS), 0, 0, 0, 0, 0, 0]),
            Phase::Soroban => Self([
                u64::from(config.lanes.ledger_max_tx_count),
                u64::try_from(config.compute.ledger_max_instructions).unwrap_or(0),
                u64::from(config.bandwidth.ledger_max_txs_size_bytes),
                u64::from(config.cost.ledger_max_disk_read_entries),
                u64::from(config.cost.ledger_max_disk_read_bytes),
                u64::from(config.cost.ledger_max_write_ledger_entries),
                u64::from(config.cost.ledger_max_write_bytes),
            ]),
        }
    }

    pub(crate) fn times(self, factor: u64) -> Self {
        Self(self.0.map(|amount| amount.saturating_mul(factor)))
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    /// Is no amount of `other` above the same amount of this one?
    pub(crate) fn holds(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(held, needed)| needed <= *held)
    }

    fn zip(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut amounts = self.0;
        for (amount, other) in amounts.iter_mut().zip(other.0) {
            *amount = join(*amount, other);
        }
        Self(amounts)
    }
}
