//! The chain of ledger headers.

use sha2::{Digest, Sha256};
use stellar_xdr::{
    DependentTxCluster, GeneralizedTransactionSet, Hash, LedgerHeader, LedgerHeaderExt, Limits,
    ParallelTxExecutionStage, ParallelTxsComponent, StellarValue, StellarValueExt, TimePoint, TransactionEnvelope,
    TransactionPhase, TransactionResultPair, TransactionResultSet, TransactionSetV1, TxSetComponent,
    TxSetComponentTxsMaybeDiscountedFee, VecM, WriteXdr,
};

use super::genesis::{GENESIS_LEDGER, TOTAL_COINS};
use crate::settings::{BASE_FEE, BASE_RESERVE, MAX_CLASSIC_OPERATIONS, PROTOCOL};

/// The header of a closed ledger and its hash.
#[derive(Clone, Debug)]
pub(crate) struct ClosedHeader {
    pub(crate) header: LedgerHeader,
    pub(crate) hash: [u8; 32],
}

impl ClosedHeader {
    fn of(header: LedgerHeader) -> Self {
        Self { hash: sha256(&header), header }
    }

    /// The first ledger's header. `close_time` is in Unix seconds.
    pub(crate) fn genesis(close_time: u64) -> Self {
        Self::of(LedgerHeader {
            ledger_version: PROTOCOL,
            previous_ledger_hash: Hash([0; 32]),
            scp_value: value([0; 32], close_time),
            tx_set_result_hash: Hash([0; 32]),
            bucket_list_hash: Hash([0; 32]),
            ledger_seq: GENESIS_LEDGER,
            total_coins: TOTAL_COINS,
            fee_pool: 0,
            inflation_seq: 0,
            id_pool: 0,
            base_fee: BASE_FEE,
            base_reserve: BASE_RESERVE,
            max_tx_set_size: MAX_CLASSIC_OPERATIONS,
            skip_list: [Hash([0; 32]), Hash([0; 32]), Hash([0; 32]), Hash([0; 32])],
            ext: LedgerHeaderExt::V0,
        })
    }

    /// The next header. This network has no bucket list, so the header has `state` in place of the list's hash.
    pub(crate) fn next(&self, closed: &Closing<'_>) -> Self {
        Self::of(LedgerHeader {
            previous_ledger_hash: Hash(self.hash),
            scp_value: value(sha256(closed.transactions), closed.close_time),
            tx_set_result_hash: Hash(sha256(&results(closed.results))),
            bucket_list_hash: Hash(closed.state),
            ledger_seq: closed.ledger,
            fee_pool: closed.fee_pool,
            ..self.header.clone()
        })
    }

    pub(crate) fn close_time(&self) -> u64 {
        self.header.scp_value.close_time.0
    }
}

/// The parts from which a ledger's header is made.
pub(crate) struct Closing<'a> {
    pub(crate) ledger: u32,
    pub(crate) close_time: u64,
    pub(crate) fee_pool: i64,
    pub(crate) transactions: &'a GeneralizedTransactionSet,
    pub(crate) results: &'a [TransactionResultPair],
    /// A hash that depends on every change since the first ledger.
    pub(crate) state: [u8; 32],
}

/// The set of a ledger's transactions: the classic phase, then the Soroban phase in one cluster. Each phase has its
/// transactions and its price of inclusion, in stroops for one operation.
pub(crate) fn transaction_set(
    previous: [u8; 32],
    (classic, classic_price): (Vec<TransactionEnvelope>, u32),
    (soroban, soroban_price): (Vec<TransactionEnvelope>, u32),
) -> GeneralizedTransactionSet {
    let classic_phase = if classic.is_empty() {
        TransactionPhase::V0(VecM::default())
    } else {
        let component = TxSetComponent::TxsetCompTxsMaybeDiscountedFee(TxSetComponentTxsMaybeDiscountedFee {
            base_fee: Some(i64::from(classic_price)),
            txs: list(classic),
        });
        TransactionPhase::V0(list(vec![component]))
    };
    let stages = if soroban.is_empty() {
        VecM::default()
    } else {
        list(vec![ParallelTxExecutionStage(list(vec![DependentTxCluster(list(soroban))]))])
    };
    let soroban_phase = TransactionPhase::V1(ParallelTxsComponent {
        base_fee: Some(i64::from(soroban_price)),
        execution_stages: stages,
    });
    GeneralizedTransactionSet::V1(TransactionSetV1 {
        previous_ledger_hash: Hash(previous),
        phases: list(vec![classic_phase, soroban_phase]),
    })
}

fn results(results: &[TransactionResultPair]) -> TransactionResultSet {
    TransactionResultSet { results: list(results.to_vec()) }
}

fn value(tx_set_hash: [u8; 32], close_time: u64) -> StellarValue {
    StellarValue {
        tx_set_hash: Hash(tx_set_hash),
        close_time: TimePoint(close_time),
        upgrades: VecM::default(),
        ext: StellarValueExt::Basic,
    }
}

fn list<T>(items: Vec<T>) -> VecM<T> {
    items.try_into().expect("fewer items than 2^32")
}

/// SHA-256 of a value's XDR.
pub(crate) fn sha256(value: &impl WriteXdr) -> [u8; 32] {
    Sha256::digest(value.to_xdr(Limits::none()).expect("a value in memory encodes")).into()
}
