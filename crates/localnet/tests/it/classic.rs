//! Tests classic operations: accounts, payments, trustlines, options.

use stellar_xdr::*;

use crate::env::*;

fn usdc(issuer: &Key) -> Asset {
    Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: issuer.id() })
}

#[tokio::test]
async fn friendbot_gives_a_new_account_ten_thousand_xlm_once() {
    let env = TestEnv::start();
    let key = env.funded(1).await;
    assert_eq!(env.balance(&key).await, 10_000 * UNIT);
    let (status, body) = env.friendbot(&key.strkey()).await;
    assert_eq!(status, 400);
    // stellar-cli and the JavaScript SDK look for these words.
    for known in ["account already funded to starting balance", "createAccountAlreadyExist"] {
        assert!(body["detail"].as_str().unwrap().contains(known), "{body}");
    }
    let (status, body) = env.friendbot("GABC").await;
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("'GABC' is not an account's address"), "{body}");
}

#[tokio::test]
async fn friendbot_serves_many_at_once() {
    let env = std::sync::Arc::new(TestEnv::start());
    let asked: Vec<_> = (1..=120)
        .map(|seed| {
            let env = std::sync::Arc::clone(&env);
            tokio::spawn(async move { env.funded(seed).await })
        })
        .collect();
    for one in asked {
        let key = one.await.unwrap();
        assert_eq!(env.balance(&key).await, 10_000 * UNIT);
    }
}

#[tokio::test]
async fn an_account_is_created_with_the_ledgers_sequence_number_and_paid() {
    let env = TestEnv::start();
    let (payer, payee) = (env.funded(1).await, Key::new(2));
    let ledger =
        env.run(&payer, vec![create_account(&payee, 2 * UNIT)]).await.succeeded().0["ledger"].as_i64().unwrap();
    assert_eq!(env.account(&payee).await.seq_num.0, ledger << 32);
    env.run(&payer, vec![payment(&payee, &Asset::Native, 3 * UNIT)]).await.succeeded();
    assert_eq!(env.balance(&payee).await, 5 * UNIT);
    assert_eq!(env.balance(&payer).await, 10_000 * UNIT - 5 * UNIT - 200);
}

#[tokio::test]
async fn an_account_is_not_created_below_the_reserve_above_the_balance_or_twice() {
    let env = TestEnv::start();
    let (payer, payee) = (env.funded(1).await, Key::new(2));
    let cases = [(UNIT - 1, CreateAccountResult::LowReserve), (10_000 * UNIT, CreateAccountResult::Underfunded)];
    for (amount, code) in cases {
        let closed = env.run(&payer, vec![create_account(&payee, amount)]).await;
        assert_eq!(closed.failed_with(), OperationResultTr::CreateAccount(code));
    }
    env.run(&payer, vec![create_account(&payee, UNIT)]).await.succeeded();
    let again = env.run(&payer, vec![create_account(&payee, UNIT)]).await;
    assert_eq!(again.failed_with(), OperationResultTr::CreateAccount(CreateAccountResult::AlreadyExist));
}

#[tokio::test]
async fn a_failed_transaction_changes_nothing_but_fee_and_sequence() {
    let env = TestEnv::start();
    let (payer, payee) = (env.funded(1).await, env.funded(2).await);
    let before = env.account(&payer).await;
    let operations = vec![payment(&payee, &Asset::Native, UNIT), payment(&payee, &Asset::Native, 20_000 * UNIT)];
    let closed = env.run(&payer, operations).await;
    assert_eq!(closed.0["status"], "FAILED");
    let TransactionResultResult::TxFailed(codes) = closed.result().result else { panic!("{:?}", closed.result()) };
    assert_eq!(
        codes.to_vec(),
        [PaymentResult::Success, PaymentResult::Underfunded]
            .map(|code| OperationResult::OpInner(OperationResultTr::Payment(code)))
    );
    let after = env.account(&payer).await;
    assert_eq!(after.balance, before.balance - 200);
    assert_eq!(after.seq_num.0, before.seq_num.0 + 1);
    assert_eq!(env.balance(&payee).await, 10_000 * UNIT);
    assert!(closed.meta().operations.is_empty());
}

#[tokio::test]
async fn a_payment_of_an_asset_needs_a_trustline_room_and_funds() {
    let env = TestEnv::start();
    let (issuer, a, b) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let asset = usdc(&issuer);
    let pay = |to: &Key, units| vec![payment(to, &asset, units)];
    let code = |closed: Closed| match closed.failed_with() {
        OperationResultTr::Payment(code) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(env.run(&issuer, pay(&a, 5)).await), PaymentResult::NoTrust);
    assert_eq!(code(env.run(&a, pay(&issuer, 5)).await), PaymentResult::SrcNoTrust);
    env.run(&a, vec![change_trust(&asset, 100)]).await.succeeded();
    env.run(&b, vec![change_trust(&asset, 10)]).await.succeeded();
    assert_eq!(code(env.run(&issuer, pay(&a, 101)).await), PaymentResult::LineFull);
    env.run(&issuer, pay(&a, 100)).await.succeeded();
    assert_eq!(code(env.run(&a, pay(&b, 11)).await), PaymentResult::LineFull);
    env.run(&a, pay(&b, 10)).await.succeeded();
    assert_eq!(code(env.run(&b, pay(&issuer, 11)).await), PaymentResult::Underfunded);
    env.run(&b, pay(&issuer, 10)).await.succeeded();
    let nobody = Key::new(9);
    assert_eq!(code(env.run(&a, pay(&nobody, 1)).await), PaymentResult::NoDestination);
}

#[tokio::test]
async fn a_trustline_takes_a_reserve_and_gives_it_back() {
    let env = TestEnv::start();
    let (issuer, holder) = (env.funded(1).await, env.funded(2).await);
    let asset = usdc(&issuer);
    env.run(&holder, vec![change_trust(&asset, 100)]).await.succeeded();
    assert_eq!(env.account(&holder).await.num_sub_entries, 1);
    env.run(&issuer, vec![payment(&holder, &asset, 60)]).await.succeeded();
    let code = |closed: Closed| match closed.failed_with() {
        OperationResultTr::ChangeTrust(code) => code,
        other => panic!("{other:?}"),
    };
    for limit in [59, 0] {
        assert_eq!(code(env.run(&holder, vec![change_trust(&asset, limit)]).await), ChangeTrustResult::InvalidLimit);
    }
    env.run(&holder, vec![payment(&issuer, &asset, 60)]).await.succeeded();
    env.run(&holder, vec![change_trust(&asset, 0)]).await.succeeded();
    assert_eq!(env.account(&holder).await.num_sub_entries, 0);
    let unknown = usdc(&Key::new(9));
    assert_eq!(code(env.run(&holder, vec![change_trust(&unknown, 1)]).await), ChangeTrustResult::NoIssuer);

    let poor = Key::new(4);
    env.run(&issuer, vec![create_account(&poor, UNIT + UNIT / 2 - 1)]).await.succeeded();
    assert_eq!(code(env.run(&poor, vec![change_trust(&asset, 1)]).await), ChangeTrustResult::LowReserve);
}

#[tokio::test]
async fn an_issuer_authorizes_revokes_and_claws_back() {
    let env = TestEnv::start();
    let (issuer, holder) = (env.funded(1).await, env.funded(2).await);
    let asset = usdc(&issuer);
    let flags = AccountFlags::RequiredFlag as u32
        | AccountFlags::RevocableFlag as u32
        | AccountFlags::ClawbackEnabledFlag as u32;
    env.run(&issuer, vec![set_flags(flags)]).await.succeeded();
    env.run(&holder, vec![change_trust(&asset, 100)]).await.succeeded();
    let mint = || vec![payment(&holder, &asset, 50)];
    let unauthorized = env.run(&issuer, mint()).await.failed_with();
    assert_eq!(unauthorized, OperationResultTr::Payment(PaymentResult::NotAuthorized));
    let authorize = |set_flags, clear_flags| {
        vec![OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
            trustor: holder.id(),
            asset: asset.clone(),
            clear_flags,
            set_flags,
        })]
    };
    env.run(&issuer, authorize(1, 0)).await.succeeded();
    env.run(&issuer, mint()).await.succeeded();
    env.run(&issuer, authorize(0, 1)).await.succeeded();
    let back = env.run(&holder, vec![payment(&issuer, &asset, 1)]).await.failed_with();
    assert_eq!(back, OperationResultTr::Payment(PaymentResult::SrcNotAuthorized));
    let clawback =
        |amount| vec![OperationBody::Clawback(ClawbackOp { asset: asset.clone(), from: holder.muxed(), amount })];
    let too_much = env.run(&issuer, clawback(51)).await.failed_with();
    assert_eq!(too_much, OperationResultTr::Clawback(ClawbackResult::Underfunded));
    env.run(&issuer, clawback(20)).await.succeeded();
    let line = TrustLineAsset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USDC"), issuer: issuer.id() });
    let key = LedgerKey::Trustline(LedgerKeyTrustLine { account_id: holder.id(), asset: line });
    let Some(LedgerEntryData::Trustline(line)) = env.entry(&key).await else { panic!("no trustline") };
    assert_eq!(line.balance, 30);
}

#[tokio::test]
async fn without_the_revocable_flag_authorization_stays() {
    let env = TestEnv::start();
    let (issuer, holder) = (env.funded(1).await, env.funded(2).await);
    let asset = usdc(&issuer);
    env.run(&holder, vec![change_trust(&asset, 100)]).await.succeeded();
    let revoke = OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
        trustor: holder.id(),
        asset: asset.clone(),
        clear_flags: 1,
        set_flags: 0,
    });
    let code = env.run(&issuer, vec![revoke]).await.failed_with();
    assert_eq!(code, OperationResultTr::SetTrustLineFlags(SetTrustLineFlagsResult::CantRevoke));
    let clawback = OperationBody::Clawback(ClawbackOp { asset, from: holder.muxed(), amount: 1 });
    let code = env.run(&issuer, vec![clawback]).await.failed_with();
    assert_eq!(code, OperationResultTr::Clawback(ClawbackResult::NotClawbackEnabled));
}

#[tokio::test]
async fn signers_and_thresholds_decide_who_may_spend() {
    let env = TestEnv::start();
    let (owner, second, other) = (env.funded(1).await, Key::new(2), env.funded(3).await);
    let signer = Signer { key: SignerKey::Ed25519(Uint256(second.public())), weight: 1 };
    let both = SetOptionsOp { signer: Some(signer), med_threshold: Some(2), high_threshold: Some(2), ..no_options() };
    env.run(&owner, vec![OperationBody::SetOptions(both)]).await.succeeded();
    assert_eq!(env.account(&owner).await.num_sub_entries, 1);

    let tx = env.draft(&owner, vec![payment(&other, &Asset::Native, UNIT)]).await;
    let alone = env.refused(&env.sign(&tx, &[&owner])).await;
    let TransactionResultResult::TxFailed(codes) = alone.result else { panic!("{alone:?}") };
    assert_eq!(codes.to_vec(), [OperationResult::OpBadAuth]);
    env.include(&env.sign(&tx, &[&owner, &second])).await.succeeded();

    let no_master = SetOptionsOp { master_weight: Some(0), med_threshold: Some(1), ..no_options() };
    let tx = env.draft(&owner, vec![OperationBody::SetOptions(no_master)]).await;
    env.include(&env.sign(&tx, &[&owner, &second])).await.succeeded();
    let tx = env.draft(&owner, vec![payment(&other, &Asset::Native, UNIT)]).await;
    assert_eq!(env.refused(&env.sign(&tx, &[&owner])).await.result, TransactionResultResult::TxBadAuth);
    env.include(&env.sign(&tx, &[&second])).await.succeeded();
}

#[tokio::test]
async fn operations_act_for_other_accounts_that_sign_too() {
    let env = TestEnv::start();
    let (payer, holder, issuer) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let mut tx = env.draft(&payer, vec![change_trust(&usdc(&issuer), 10)]).await;
    let mut operations = tx.operations.to_vec();
    operations[0].source_account = Some(holder.muxed());
    tx.operations = operations.try_into().unwrap();
    let unsigned = env.refused(&env.sign(&tx, &[&payer])).await;
    let TransactionResultResult::TxFailed(codes) = unsigned.result else { panic!("{unsigned:?}") };
    assert_eq!(codes.to_vec(), [OperationResult::OpBadAuth]);
    env.include(&env.sign(&tx, &[&payer, &holder])).await.succeeded();
    assert_eq!(env.account(&holder).await.num_sub_entries, 1);
    assert_eq!(env.balance(&holder).await, 10_000 * UNIT);
    assert_eq!(env.balance(&payer).await, 10_000 * UNIT - 100);
}

#[tokio::test]
async fn an_operation_that_is_not_implemented_has_a_result_and_a_name() {
    let env = TestEnv::start();
    let key = env.funded(1).await;
    let inflation = env.draft(&key, vec![OperationBody::Inflation]).await;
    let answer = env.send(&env.sign(&inflation, &[&key])).await;
    assert_eq!(answer["status"], "ERROR", "{answer}");
    let result: TransactionResult = xdr(&answer["errorResultXdr"]);
    let TransactionResultResult::TxFailed(codes) = result.result else { panic!("{result:?}") };
    assert_eq!(codes.to_vec(), [OperationResult::OpNotSupported]);
    assert_eq!(reason(&answer), "paychan-localnet does not implement Inflation");

    let signer = Signer { key: SignerKey::HashX(Uint256([7; 32])), weight: 1 };
    let options = SetOptionsOp { signer: Some(signer), ..no_options() };
    let tx = env.draft(&key, vec![OperationBody::SetOptions(options)]).await;
    let answer = env.send(&env.sign(&tx, &[&key])).await;
    assert_eq!(reason(&answer), "paychan-localnet does not implement signers other than ed25519 keys");
    let result: TransactionResult = xdr(&answer["errorResultXdr"]);
    let TransactionResultResult::TxFailed(codes) = result.result else { panic!("{result:?}") };
    let bad_signer = OperationResultTr::SetOptions(SetOptionsResult::BadSigner);
    assert_eq!(codes.to_vec(), [OperationResult::OpInner(bad_signer)]);
}

/// The text of the first diagnostic event.
fn reason(answer: &serde_json::Value) -> String {
    let event: DiagnosticEvent = xdr(&answer["diagnosticEventsXdr"][0]);
    let ContractEventBody::V0(body) = event.event.body;
    match body.data {
        ScVal::String(text) => text.0.to_utf8_string().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn data_entries_are_written_changed_and_removed_and_take_a_reserve() {
    let env = TestEnv::start();
    let key = env.funded(1).await;
    let name = |text: &str| String64(text.try_into().unwrap());
    let data = |text: &str, value: Option<&[u8]>| {
        vec![OperationBody::ManageData(ManageDataOp {
            data_name: name(text),
            data_value: value.map(|bytes| DataValue(bytes.to_vec().try_into().unwrap())),
        })]
    };
    let entry = LedgerKey::Data(LedgerKeyData { account_id: key.id(), data_name: name("config") });
    for value in [b"one".as_slice(), b"two"] {
        env.run(&key, data("config", Some(value))).await.succeeded();
        let Some(LedgerEntryData::Data(stored)) = env.entry(&entry).await else { panic!("no data entry") };
        assert_eq!(stored.data_value.0.as_slice(), value);
        assert_eq!(env.account(&key).await.num_sub_entries, 1);
    }
    env.run(&key, data("config", None)).await.succeeded();
    assert_eq!(env.entry(&entry).await, None);
    assert_eq!(env.account(&key).await.num_sub_entries, 0);
    let missing = env.run(&key, data("config", None)).await;
    assert_eq!(missing.failed_with(), OperationResultTr::ManageData(ManageDataResult::NameNotFound));
    let poor = Key::new(2);
    env.run(&key, vec![create_account(&poor, UNIT + UNIT / 2 - 1)]).await.succeeded();
    let low = env.run(&poor, data("config", Some(b"x"))).await;
    assert_eq!(low.failed_with(), OperationResultTr::ManageData(ManageDataResult::LowReserve));
}

#[tokio::test]
async fn a_bumped_sequence_number_is_used_up_and_never_goes_back() {
    let env = TestEnv::start();
    let key = env.funded(1).await;
    let start = env.account(&key).await.seq_num.0;
    let bump = |to| vec![OperationBody::BumpSequence(BumpSequenceOp { bump_to: SequenceNumber(to) })];
    env.run(&key, bump(start + 50)).await.succeeded();
    assert_eq!(env.account(&key).await.seq_num.0, start + 50);
    env.run(&key, bump(start)).await.succeeded();
    assert_eq!(env.account(&key).await.seq_num.0, start + 51);
    let result = env.refused(&env.sign(&env.draft(&key, bump(-1)).await, &[&key])).await;
    let TransactionResultResult::TxFailed(codes) = result.result else { panic!("{result:?}") };
    let bad = OperationResultTr::BumpSequence(BumpSequenceResult::BadSeq);
    assert_eq!(codes.to_vec(), [OperationResult::OpInner(bad)]);
}

#[tokio::test]
async fn a_merged_account_is_gone_and_the_other_account_has_its_coins() {
    let env = TestEnv::start();
    let (a, b, issuer) = (env.funded(1).await, env.funded(2).await, env.funded(3).await);
    let merge = |to: &Key| vec![OperationBody::AccountMerge(to.muxed())];
    let code = |code| OperationResultTr::AccountMerge(code);
    assert_eq!(env.run(&a, merge(&Key::new(9))).await.failed_with(), code(AccountMergeResult::NoAccount));
    env.run(&a, vec![change_trust(&usdc(&issuer), 10)]).await.succeeded();
    assert_eq!(env.run(&a, merge(&b)).await.failed_with(), code(AccountMergeResult::HasSubEntries));
    env.run(&a, vec![change_trust(&usdc(&issuer), 0)]).await.succeeded();

    let (left, other) = (env.balance(&a).await - 100, env.balance(&b).await);
    let closed = env.run(&a, merge(&b)).await.succeeded();
    let TransactionResultResult::TxSuccess(results) = closed.result().result else { panic!("{:?}", closed.result()) };
    assert_eq!(results.to_vec(), [OperationResult::OpInner(code(AccountMergeResult::Success(left)))]);
    assert_eq!(env.entry(&a.key()).await, None);
    assert_eq!(env.balance(&b).await, other + left);

    let far = (i64::from(env.localnet.status().unwrap().ledger) + 1_000) << 32;
    let bump = OperationBody::BumpSequence(BumpSequenceOp { bump_to: SequenceNumber(far) });
    env.run(&b, vec![bump]).await.succeeded();
    assert_eq!(env.run(&b, merge(&issuer)).await.failed_with(), code(AccountMergeResult::SeqnumTooFar));
}
