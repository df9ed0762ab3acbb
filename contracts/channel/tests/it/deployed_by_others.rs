//! Channels that a factory opens in a funder's name: what the funder has to authorize, and where in the call.
//!
//! Only the Wasm can be deployed by another contract, so these tests have no native variant.

#![allow(unreachable_pub, reason = "soroban-sdk exports a contract's functions only where they are public")]

use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{Address, BytesN, IntoVal, Symbol};

use crate::env::{Code, FUNDS, TestEnv, wasm};

/// A factory as anybody might write it.
mod factory {
    use soroban_sdk::{Address, BytesN, Env, contract, contractimpl};

    #[contract]
    pub(super) struct Factory;

    #[contractimpl]
    impl Factory {
        /// Opens a channel and asks the funder for nothing itself.
        pub fn open(env: Env, code: BytesN<32>, terms: (Address, Address, BytesN<32>, Address, i128, u32)) -> Address {
            let salt = BytesN::from_array(&env, &[1; 32]);
            env.deployer().with_current_contract(salt).deploy_v2(code, terms)
        }

        /// Opens a channel and asks the funder first, as the reference's factory does for a deposit above 0.
        pub fn open_asking_first(
            env: Env,
            code: BytesN<32>,
            terms: (Address, Address, BytesN<32>, Address, i128, u32),
        ) -> Address {
            let (_, from, ..) = &terms;
            from.require_auth();
            Self::open(env, code, terms)
        }
    }
}

type Terms = (Address, Address, BytesN<32>, Address, i128, u32);

struct Opening<'a> {
    test: TestEnv,
    factory: factory::FactoryClient<'a>,
    code: BytesN<32>,
    terms: Terms,
}

/// A factory that is about to open a channel with this deposit.
fn opening<'a>(amount: i128) -> Opening<'a> {
    let test = TestEnv::without_channel(Code::Wasm);
    let env = &test.env;
    let code = env.deployer().upload_contract_wasm(wasm().as_slice());
    let factory = factory::FactoryClient::new(env, &env.register(factory::Factory, ()));
    let commitment_key = BytesN::from_array(env, &test.key.verifying_key().to_bytes());
    let terms =
        (test.token.address.clone(), test.funder.clone(), commitment_key, test.recipient.clone(), amount, 100u32);
    Opening { factory, code, terms, test }
}

/// Checks that the channel is there, with its deposit.
fn opened(opening: &Opening<'_>, channel: &Address) {
    let amount = opening.terms.4;
    let channel = paychan_contract::ChannelClient::new(&opening.test.env, channel);
    assert_eq!(channel.from(), opening.test.funder);
    assert_eq!(channel.deposited(), amount);
    assert_eq!(opening.test.balance_of(&opening.test.funder), FUNDS - amount);
}

#[test]
fn the_funder_authorizes_the_constructor_below_the_root_call() {
    for amount in [0, 1_000] {
        let opening = opening(amount);
        let Opening { test, factory, code, terms } = &opening;
        let env = &test.env;
        env.mock_all_auths_allowing_non_root_auth();
        let channel = factory.open(code, terms);
        let transfer = AuthorizedInvocation {
            function: AuthorizedFunction::Contract((
                test.token.address.clone(),
                Symbol::new(env, "transfer"),
                (test.funder.clone(), channel.clone(), amount).into_val(env),
            )),
            sub_invocations: vec![],
        };
        let constructor = AuthorizedInvocation {
            function: AuthorizedFunction::Contract((
                channel.clone(),
                Symbol::new(env, "__constructor"),
                terms.clone().into_val(env),
            )),
            sub_invocations: if amount > 0 { vec![transfer] } else { vec![] },
        };
        assert_eq!(test.authorizations(), [(test.funder.clone(), constructor)], "a deposit of {amount}");
        opened(&opening, &channel);
    }
}

/// By default, stellar-cli lets a simulation record authorizations for the root call only.
#[test]
fn an_authorization_below_the_root_call_is_not_recorded_by_default() {
    for amount in [0, 1_000] {
        let Opening { test, factory, code, terms } = opening(amount);
        test.env.mock_all_auths();
        assert!(factory.try_open(&code, &terms).is_err(), "a deposit of {amount}");
        assert_eq!(test.balance_of(&test.funder), FUNDS);
    }
}

#[test]
fn a_factory_that_asks_the_funder_itself_needs_no_authorization_below_the_root_call() {
    for amount in [0, 1_000] {
        let opening = opening(amount);
        opening.test.env.mock_all_auths();
        let channel = opening.factory.open_asking_first(&opening.code, &opening.terms);
        let (authorizer, root) = &opening.test.authorizations()[0];
        assert_eq!(*authorizer, opening.test.funder);
        assert!(
            matches!(&root.function, AuthorizedFunction::Contract((called, ..)) if *called == opening.factory.address)
        );
        assert_eq!(root.sub_invocations.len(), 1, "the constructor is authorized as a part of the root call");
        opened(&opening, &channel);
    }
}

#[test]
fn a_factory_can_not_open_a_channel_that_the_funder_does_not_authorize() {
    for amount in [0, 1_000] {
        let Opening { test, factory, code, terms } = opening(amount);
        test.without_authorization();
        assert!(factory.try_open(&code, &terms).is_err(), "a deposit of {amount}");
    }
}
