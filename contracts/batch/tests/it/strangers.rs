//! Contracts that are not our channels, called in the middle of a batch.

use soroban_sdk::Address;

use crate::env::{Code, TestEnv};

on_both!(
    one_that_needs_the_recipients_authorization_fails_alone,
    one_that_panics_fails_alone,
    one_that_answers_something_else_counts_as_failed,
    one_that_calls_back_fails_alone,
    one_that_lacks_the_function_fails_alone,
);

/// A contract whose `settle` needs the recipient's authorization, as the reference's and the fork's do.
mod needing_authorization {
    use soroban_sdk::{Address, BytesN, Env, contract, contractimpl};

    #[contract]
    pub(super) struct NeedsAuthorization;

    #[contractimpl]
    impl NeedsAuthorization {
        pub fn __constructor(env: Env, to: Address) {
            env.storage().instance().set(&0u32, &to);
        }

        pub fn settle(env: Env, _amount: i128, _sig: BytesN<64>) {
            let to: Address = env.storage().instance().get(&0u32).unwrap();
            to.require_auth();
        }
    }
}

mod panicking {
    use soroban_sdk::{BytesN, Env, contract, contractimpl};

    #[contract]
    pub(super) struct Panics;

    #[contractimpl]
    impl Panics {
        pub fn settle(_env: Env, _amount: i128, _sig: BytesN<64>) {
            panic!("this contract always panics");
        }
    }
}

mod answering {
    use soroban_sdk::{BytesN, Env, contract, contractimpl};

    #[contract]
    pub(super) struct Answers;

    #[contractimpl]
    impl Answers {
        pub fn settle(_env: Env, _amount: i128, _sig: BytesN<64>) -> u32 {
            7
        }
    }
}

mod calling_back {
    use paychan_batch::{BatchClient, Settlement};
    use soroban_sdk::{Address, BytesN, Env, contract, contractimpl, vec};

    #[contract]
    pub(super) struct CallsBack;

    #[contractimpl]
    impl CallsBack {
        pub fn __constructor(env: Env, batch: Address) {
            env.storage().instance().set(&0u32, &batch);
        }

        pub fn settle(env: Env, amount: i128, sig: BytesN<64>) {
            let batch: Address = env.storage().instance().get(&0u32).unwrap();
            let settlement = Settlement(env.current_contract_address(), amount, sig);
            BatchClient::new(&env, &batch).settle_many(&vec![&env, settlement]);
        }
    }
}

mod lacking {
    use soroban_sdk::{Env, contract, contractimpl};

    #[contract]
    pub(super) struct Lacks;

    #[contractimpl]
    impl Lacks {
        pub fn other(_env: Env) {}
    }
}

fn fails_alone(test: &TestEnv, stranger: &Address) {
    let settlements = [test.settlement(0, 70), test.of(stranger), test.settlement(1, 30)];
    assert_eq!(test.settle(&settlements), [true, false, true]);
    assert_eq!(test.withdrawn(), [70, 30]);
}

fn one_that_needs_the_recipients_authorization_fails_alone(code: Code) {
    let test = TestEnv::new(code, 2);
    let stranger = test.env.register(needing_authorization::NeedsAuthorization, (test.recipient.clone(),));
    fails_alone(&test, &stranger);
}

fn one_that_panics_fails_alone(code: Code) {
    let test = TestEnv::new(code, 2);
    let stranger = test.env.register(panicking::Panics, ());
    fails_alone(&test, &stranger);
}

fn one_that_answers_something_else_counts_as_failed(code: Code) {
    let test = TestEnv::new(code, 2);
    let stranger = test.env.register(answering::Answers, ());
    fails_alone(&test, &stranger);
}

fn one_that_calls_back_fails_alone(code: Code) {
    let test = TestEnv::new(code, 2);
    let stranger = test.env.register(calling_back::CallsBack, (test.batch.address.clone(),));
    fails_alone(&test, &stranger);
}

fn one_that_lacks_the_function_fails_alone(code: Code) {
    let test = TestEnv::new(code, 2);
    let stranger = test.env.register(lacking::Lacks, ());
    fails_alone(&test, &stranger);
}
