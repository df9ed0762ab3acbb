//! What a signature would authorise, compared with what the command means.
//!
//! A transaction's signature stands for every authorization entry with source-account credentials in it. These entries
//! come from the RPC endpoint's simulation: an endpoint that lies, or a token that calls on, could slip in a transfer
//! that nobody asked for. So each node of the tree is compared with the few calls that the command consists of, and
//! anything else stops it before signing.

use paychan_channel::xdr::{
    HostFunction, SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation, SorobanCredentials,
};

use crate::error::{Failure, Kind, bail};

/// The calls that a command means to authorise.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// None: anyone may send it, as our contract's `settle`.
    Nothing,
    /// `root`, and below it at most the calls of `within`, each once.
    Call { root: SorobanAuthorizedFunction, within: Vec<SorobanAuthorizedFunction> },
}

impl Meaning {
    /// The call itself, and those that it makes in the signer's name. An upload authorises nothing.
    pub(crate) fn of(call: &HostFunction, within: &[HostFunction]) -> Self {
        match authorized(call) {
            None => Meaning::Nothing,
            Some(root) => Meaning::Call { root, within: within.iter().filter_map(authorized).collect() },
        }
    }
}

/// A host function as authorization names it.
fn authorized(call: &HostFunction) -> Option<SorobanAuthorizedFunction> {
    match call {
        HostFunction::InvokeContract(args) => Some(SorobanAuthorizedFunction::ContractFn(args.clone())),
        HostFunction::CreateContract(args) => Some(SorobanAuthorizedFunction::CreateContractHostFn(args.clone())),
        HostFunction::CreateContractV2(args) => Some(SorobanAuthorizedFunction::CreateContractV2HostFn(args.clone())),
        HostFunction::UploadContractWasm(_) => None,
    }
}

/// Refuses entries that say more than `meaning`.
///
/// Less is fine: what is not authorised fails on chain, it pays nobody.
pub(crate) fn check(entries: &[SorobanAuthorizationEntry], meaning: &Meaning) -> Result<(), Failure> {
    let (root, within) = match (meaning, entries) {
        (_, []) => return Ok(()),
        (Meaning::Nothing, [first, ..]) => return Err(unexpected(&first.root_invocation.function)),
        (Meaning::Call { root, within }, _) => (root, within),
    };
    let [entry] = entries else {
        bail!(
            Kind::Authorization,
            "simulation wants {} authorizations signed, this command means one; nothing was signed. Is the RPC endpoint \
             yours, and the token one you know?",
            entries.len()
        );
    };
    if entry.credentials != SorobanCredentials::SourceAccount {
        bail!(
            Kind::Authorization,
            "simulation wants another account than the signing one to authorise {}; nothing was signed. Give the secret \
             of the account that the channel names",
            described(&entry.root_invocation.function)
        );
    }
    if entry.root_invocation.function != *root {
        return Err(unexpected(&entry.root_invocation.function));
    }
    let mut left = within.clone();
    let mut below: Vec<&SorobanAuthorizedInvocation> = entry.root_invocation.sub_invocations.iter().collect();
    while let Some(node) = below.pop() {
        match left.iter().position(|allowed| *allowed == node.function) {
            Some(found) => left.swap_remove(found),
            None => return Err(unexpected(&node.function)),
        };
        below.extend(node.sub_invocations.iter());
    }
    Ok(())
}

fn unexpected(function: &SorobanAuthorizedFunction) -> Failure {
    Failure::new(
        Kind::Authorization,
        format!(
            "simulation wants {} authorised, which is not part of this command; nothing was signed. Is the RPC endpoint \
             yours, and the token one you know?",
            described(function)
        ),
    )
}

fn described(function: &SorobanAuthorizedFunction) -> String {
    match function {
        SorobanAuthorizedFunction::ContractFn(call) => format!(
            "{}({} arguments) of {}",
            call.function_name.to_utf8_string_lossy(),
            call.args.len(),
            call.contract_address
        ),
        SorobanAuthorizedFunction::CreateContractHostFn(_) | SorobanAuthorizedFunction::CreateContractV2HostFn(_) => {
            "the creation of a contract".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use paychan_channel::xdr::SorobanAddressCredentials;
    use paychan_channel::{Address, Amount, ContractId, calls};

    use super::*;

    const CHANNEL: ContractId = ContractId([1; 32]);
    const TOKEN: ContractId = ContractId([2; 32]);

    fn top_up_call() -> SorobanAuthorizedFunction {
        authorized(&calls::top_up(&CHANNEL, Amount::from(5))).unwrap()
    }

    fn transfer(amount: u64) -> HostFunction {
        let from = Address::Contract(ContractId([3; 32]));
        calls::token_transfer(&TOKEN, &from, &Address::Contract(CHANNEL), Amount::from(amount))
    }

    fn transfer_call(amount: u64) -> SorobanAuthorizedFunction {
        authorized(&transfer(amount)).unwrap()
    }

    fn node(
        function: SorobanAuthorizedFunction,
        below: Vec<SorobanAuthorizedInvocation>,
    ) -> SorobanAuthorizedInvocation {
        SorobanAuthorizedInvocation { function, sub_invocations: below.try_into().unwrap() }
    }

    fn entry(root_invocation: SorobanAuthorizedInvocation) -> SorobanAuthorizationEntry {
        SorobanAuthorizationEntry { credentials: SorobanCredentials::SourceAccount, root_invocation }
    }

    fn top_up() -> Meaning {
        Meaning::of(&calls::top_up(&CHANNEL, Amount::from(5)), &[transfer(5)])
    }

    #[test]
    fn the_call_with_its_transfer_is_what_was_meant() {
        let tree = node(top_up_call(), vec![node(transfer_call(5), vec![])]);
        check(&[entry(tree)], &top_up()).unwrap();
    }

    #[test]
    fn a_larger_transfer_is_refused() {
        let tree = node(top_up_call(), vec![node(transfer_call(6), vec![])]);
        let failure = check(&[entry(tree)], &top_up()).unwrap_err();
        assert_eq!(failure.kind, Kind::Authorization);
        assert!(failure.message.contains("transfer(3 arguments)"), "{failure}");
    }

    #[test]
    fn the_same_transfer_twice_is_refused_wherever_it_hangs() {
        let twice = node(transfer_call(5), vec![node(transfer_call(5), vec![])]);
        let tree = node(top_up_call(), vec![twice]);
        assert!(check(&[entry(tree)], &top_up()).is_err());
    }

    #[test]
    fn another_root_is_refused() {
        assert!(check(&[entry(node(transfer_call(5), vec![]))], &top_up()).is_err());
    }

    #[test]
    fn a_second_entry_is_refused() {
        let good = entry(node(top_up_call(), vec![]));
        assert!(check(&[good.clone(), good], &top_up()).is_err());
    }

    #[test]
    fn an_authorization_where_none_was_meant_is_refused() {
        assert!(check(&[entry(node(top_up_call(), vec![]))], &Meaning::Nothing).is_err());
        check(&[], &Meaning::Nothing).unwrap();
    }

    #[test]
    fn an_entry_for_another_account_is_refused() {
        let mut other = entry(node(top_up_call(), vec![]));
        other.credentials = SorobanCredentials::Address(SorobanAddressCredentials::default());
        let failure = check(&[other], &top_up()).unwrap_err();
        assert!(failure.message.contains("another account"), "{failure}");
    }
}
