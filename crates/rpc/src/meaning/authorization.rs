//! Compares what a signature would authorize with what the call means.
//!
//! A transaction's signature covers every authorization entry with source-account credentials; every other entry needs
//! a signature of its own. In both kinds, each node of the tree is compared with the few calls that are meant.

use paychan_channel::{AccountId, Address};
use stellar_xdr::{
    HostFunction, ScAddress, SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation,
    SorobanCredentials,
};

use super::NotMeant;

/// What a transaction may authorize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing. Anyone may send the call, such as `settle` of our contract.
    Nobody,
    /// The call itself. The source of the transaction or operation authorizes it, and each of `signers` with an entry
    /// of its own.
    Call {
        /// The calls below this one that the signer also authorizes, each at most once, at any depth. A deposit
        /// transfers the token, for example.
        within: Vec<HostFunction>,
        /// The accounts that sign an entry of their own, besides the source.
        signers: Vec<AccountId>,
    },
    /// Everything that the simulation asks for, by the source alone. This is only for endpoints that can't lie, in
    /// tests.
    Unchecked,
}

impl Authorization {
    /// The source authorizes the call and nothing below it.
    #[must_use]
    pub fn by_source() -> Authorization {
        Authorization::Call { within: Vec::new(), signers: Vec::new() }
    }

    /// Refuses entries that authorize more. Fewer entries are harmless: a call that is not authorized fails on chain,
    /// and pays nobody.
    pub(super) fn check(&self, call: &HostFunction, entries: &[SorobanAuthorizationEntry]) -> Result<(), NotMeant> {
        let (within, signers) = match self {
            Authorization::Unchecked => return Ok(()),
            Authorization::Nobody => {
                return match entries.first() {
                    None => Ok(()),
                    Some(first) => Err(NotMeant::Call { call: described(&first.root_invocation.function) }),
                };
            }
            Authorization::Call { within, signers } => (within, signers),
        };
        let mut from_source = 0;
        let mut left = signers.clone();
        for entry in entries {
            match signer(&entry.credentials) {
                None => from_source += 1,
                Some(whose) => {
                    let account = whose.and_then(|address| Address::from_sc(address).ok()).and_then(|a| a.account());
                    let place = left.iter().position(|signer| Some(*signer) == account);
                    let place = place.ok_or_else(|| NotMeant::Signer {
                        whose: whose.map_or_else(|| "somebody".to_owned(), shown),
                        call: described(&entry.root_invocation.function),
                    })?;
                    left.swap_remove(place);
                }
            }
            check_tree(call, within, &entry.root_invocation)?;
        }
        if from_source > 1 { Err(NotMeant::ManyAuthorizations(entries.len())) } else { Ok(()) }
    }
}

/// Who must sign the entry. `None` means the source of the transaction or operation, which signs the transaction.
fn signer(credentials: &SorobanCredentials) -> Option<Option<&ScAddress>> {
    match credentials {
        SorobanCredentials::SourceAccount => None,
        SorobanCredentials::Address(credentials) | SorobanCredentials::AddressV2(credentials) => {
            Some(Some(&credentials.address))
        }
        SorobanCredentials::AddressWithDelegates(_) => Some(None),
    }
}

fn check_tree(
    call: &HostFunction,
    within: &[HostFunction],
    root: &SorobanAuthorizedInvocation,
) -> Result<(), NotMeant> {
    let unexpected = |node: &SorobanAuthorizedInvocation| NotMeant::Call { call: described(&node.function) };
    if authorized(call).as_ref() != Some(&root.function) {
        return Err(unexpected(root));
    }
    let mut left: Vec<_> = within.iter().filter_map(authorized).collect();
    let mut below: Vec<&SorobanAuthorizedInvocation> = root.sub_invocations.iter().collect();
    while let Some(node) = below.pop() {
        let place = left.iter().position(|allowed| *allowed == node.function).ok_or_else(|| unexpected(node))?;
        left.swap_remove(place);
        below.extend(node.sub_invocations.iter());
    }
    Ok(())
}

/// A host function as an authorization names it; `None` for an upload, which nobody authorizes.
fn authorized(call: &HostFunction) -> Option<SorobanAuthorizedFunction> {
    match call {
        HostFunction::InvokeContract(args) => Some(SorobanAuthorizedFunction::ContractFn(args.clone())),
        HostFunction::CreateContract(args) => Some(SorobanAuthorizedFunction::CreateContractHostFn(args.clone())),
        HostFunction::CreateContractV2(args) => Some(SorobanAuthorizedFunction::CreateContractV2HostFn(args.clone())),
        HostFunction::UploadContractWasm(_) => None,
    }
}

/// A call in words. Its name comes from a node, so control characters are left out.
fn described(function: &SorobanAuthorizedFunction) -> String {
    match function {
        SorobanAuthorizedFunction::ContractFn(call) => {
            let name = crate::error::printable(&String::from_utf8_lossy(call.function_name.as_slice()));
            format!("{name}({} arguments) of {}", call.args.len(), shown(&call.contract_address))
        }
        SorobanAuthorizedFunction::CreateContractHostFn(_) | SorobanAuthorizedFunction::CreateContractV2HostFn(_) => {
            "the creation of a contract".to_owned()
        }
    }
}

pub(super) fn shown(address: &ScAddress) -> String {
    Address::from_sc(address).map_or_else(|error| error.got.to_owned(), |address| address.to_string())
}
