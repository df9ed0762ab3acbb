//! The operations that channels and their test assets need.

use paychan_channel::{AccountId, Stroops};
use stellar_xdr::{
    Asset, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp, ExtendFootprintTtlOp, ExtensionPoint, HostFunction,
    InvokeHostFunctionOp, LedgerFootprint, LedgerKey, Operation, OperationBody, PaymentOp, RestoreFootprintOp,
    SorobanResources, SorobanTransactionData, SorobanTransactionDataExt, VecM,
};

use crate::BuildError;

/// Calls a contract, creates one, or uploads code. Its authorizations come from simulation.
///
/// If `source` is another account than the transaction's, that account signs the transaction too, and needs no
/// authorization entry of its own. So a lane can pay the fee while the recipient authorizes.
#[must_use]
pub fn invoke(source: Option<AccountId>, host_function: HostFunction) -> Operation {
    of(source, OperationBody::InvokeHostFunction(InvokeHostFunctionOp { host_function, auth: VecM::default() }))
}

/// Extends the life of the entries in the footprint (all read-only) until `extend_to` ledgers from inclusion.
#[must_use]
pub fn extend(extend_to: u32) -> Operation {
    of(None, OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to }))
}

/// Restores the archived entries in the footprint (all read-write).
#[must_use]
pub fn restore() -> Operation {
    of(None, OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 }))
}

/// A footprint without resources, for a draft that extends (`read_only`) or restores (`read_write`).
///
/// # Errors
/// [`BuildError::TooManyWriteBytes`] for more keys than XDR holds.
pub fn footprint(read_only: Vec<LedgerKey>, read_write: Vec<LedgerKey>) -> Result<SorobanTransactionData, BuildError> {
    let too_many = |_| BuildError::TooManyWriteBytes;
    Ok(SorobanTransactionData {
        ext: SorobanTransactionDataExt::V0,
        resources: SorobanResources {
            footprint: LedgerFootprint {
                read_only: read_only.try_into().map_err(too_many)?,
                read_write: read_write.try_into().map_err(too_many)?,
            },
            instructions: 0,
            disk_read_bytes: 0,
            write_bytes: 0,
        },
        resource_fee: 0,
    })
}

/// Creates an account with `starting_balance` of XLM.
#[must_use]
pub fn create_account(source: Option<AccountId>, account: &AccountId, starting_balance: Stroops) -> Operation {
    let destination = account.to_xdr();
    of(source, OperationBody::CreateAccount(CreateAccountOp { destination, starting_balance: starting_balance.0 }))
}

/// Sends an asset from account to account. `amount` is in the asset's units of 10^-7.
#[must_use]
pub fn payment(source: Option<AccountId>, to: &AccountId, asset: Asset, amount: i64) -> Operation {
    of(source, OperationBody::Payment(PaymentOp { destination: to.to_muxed(), asset, amount }))
}

/// Trusts an asset up to `limit`, in the asset's units of 10^-7; 0 removes the trustline.
#[must_use]
pub fn change_trust(source: Option<AccountId>, asset: Asset, limit: i64) -> Operation {
    let line = match asset {
        Asset::Native => ChangeTrustAsset::Native,
        Asset::CreditAlphanum4(asset) => ChangeTrustAsset::CreditAlphanum4(asset),
        Asset::CreditAlphanum12(asset) => ChangeTrustAsset::CreditAlphanum12(asset),
    };
    of(source, OperationBody::ChangeTrust(ChangeTrustOp { line, limit }))
}

fn of(source: Option<AccountId>, body: OperationBody) -> Operation {
    Operation { source_account: source.map(|account| account.to_muxed()), body }
}
