//! Answers of an RPC endpoint, given to the watcher's own view of the network over HTTP.

mod endpoint;

use std::cell::RefCell;
use std::time::Duration;

use paychan_channel::xdr::{Limits, ReadXdr, TransactionEnvelope};
use paychan_channel::{
    AccountId, Address, Amount, ContractId, IssuerFlags, Ledger, SacAsset, Signature, Stroops, TokenRisk, WasmHash,
    ledger_keys,
};
use paychan_rpc::{EventsFrom, KnownChannel, Meaning};
use paychan_watcher::chain::{Call, CallRequest, Chain, RpcChain};

use crate::pieces::Pieces;
use endpoint::{Answers, Endpoint};

/// Questions that the watcher asks of an endpoint. Their order is the first byte of an input.
pub const QUESTIONS: [&str; 16] = [
    "network",
    "head",
    "closes from a ledger",
    "closes from a cursor",
    "channels",
    "a new channel",
    "what an issuer may do",
    "what a recipient can take",
    "a token's balance",
    "whether an entry is archived",
    "the fee account",
    "settings",
    "fees",
    "prepare",
    "send",
    "outcome",
];

/// The channel, its token and its code that the questions are about.
pub const CHANNEL: ContractId = ContractId([1; 32]);
pub const TOKEN: ContractId = ContractId([2; 32]);
pub const CODE: WasmHash = WasmHash([5; 32]);
pub const ACCOUNT: AccountId = AccountId([3; 32]);

/// A question and the bodies of the answers, one after another; the last one again and again. A body may begin with byte
/// 255 and one that picks the HTTP status and headers. Understood: the question is answered.
pub fn answers(bytes: &[u8]) -> bool {
    let Some((question, rest)) = bytes.split_first() else { return false };
    ask(*question, Answers::Bodies(Pieces::of(rest).map(<[u8]>::to_vec).collect()))
}

/// A question and pieces of XDR, which are put into answers that are right JSON: for ledger entries one piece for each that is
/// asked for, for other methods one for each field. Understood: the question is answered.
pub fn xdr(bytes: &[u8]) -> bool {
    let Some((question, rest)) = bytes.split_first() else { return false };
    ask(*question, Answers::Xdr(Pieces::of(rest).map(<[u8]>::to_vec).collect()))
}

thread_local! {
    static ENDPOINT: RefCell<Option<Endpoint>> = const { RefCell::new(None) };
}

fn ask(question: u8, answers: Answers) -> bool {
    ENDPOINT.with_borrow_mut(|endpoint| {
        let endpoint = endpoint.get_or_insert_with(Endpoint::start);
        endpoint.answer_with(answers);
        let chain = RpcChain::new(&endpoint.url, Duration::from_secs(10)).unwrap();
        let answered = endpoint.runtime.block_on(asked(&chain, question));
        match answered {
            Ok(()) => true,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    })
}

async fn asked(chain: &RpcChain, question: u8) -> Result<(), paychan_watcher::chain::ChainError> {
    let asset = SacAsset::Asset { code: "USDC".to_owned(), issuer: AccountId([4; 32]) };
    let recipient = Address::Account(ACCOUNT);
    match usize::from(question) % QUESTIONS.len() {
        0 => chain.check_network("Simulated Network").await,
        1 => {
            chain.head().await?;
            // Asked again, it begins with `getHealth`.
            chain.head().await.map(|_| ())
        }
        2 => chain.closes(&EventsFrom::Ledger(Ledger(100))).await.map(|_| ()),
        3 => chain.closes(&EventsFrom::Cursor("0000000429496729600-0000000001".to_owned())).await.map(|_| ()),
        4 => {
            let known = KnownChannel { channel: CHANNEL, wasm_hash: CODE, token: TOKEN, token_code: None };
            chain.read_channels(&[known]).await.map(|_| ())
        }
        5 => chain.first_read(&CHANNEL).await.map(|_| ()),
        6 => chain.token_facts(Some(&asset)).await.map(|_| ()),
        7 => {
            let flags = IssuerFlags { requires_authorization: true, may_revoke: true, may_claw_back: false };
            let facts = TokenRisk::Asset { issuer: AccountId([4; 32]), flags: Some(flags) };
            chain.payability(&TOKEN, Some(&asset), &facts, &recipient).await.map(|_| ())
        }
        8 => chain.token_balance(&TOKEN, &recipient).await.map(|_| ()),
        9 => chain.meets_archived(&CHANNEL).await.map(|_| ()),
        10 => chain.lane_account(&ACCOUNT).await.map(|_| ()),
        11 => chain.settings().await.map(|_| ()),
        12 => chain.inclusion_fees().await.map(|_| ()),
        13 => prepare(chain).await,
        14 => chain.send(&envelope()).await.map(|_| ()),
        _ => chain.outcome(&[7; 32]).await.map(|_| ()),
    }
}

/// Prepares a settlement and the extension of an entry.
async fn prepare(chain: &RpcChain) -> Result<(), paychan_watcher::chain::ChainError> {
    let settle = Call::Settle {
        channel: CHANNEL,
        amount: Amount::new(5).unwrap(),
        signature: Signature([0; 64]),
        authorized_by: None,
    };
    let extend = Call::Extend { keys: vec![ledger_keys::instance(&CHANNEL)], extend_to: 5_000 };
    for call in [settle, extend] {
        let request = CallRequest {
            source: ACCOUNT,
            sequence: 7,
            max_ledger: Ledger(105),
            inclusion_fee: Stroops(100),
            call,
            meaning: Meaning::of_trusted_endpoint(),
            token: Some(TOKEN),
        };
        chain.prepare(&request).await?;
    }
    Ok(())
}

/// Some transaction, by its XDR: a bump of the source's sequence number.
fn envelope() -> TransactionEnvelope {
    let text = "AAAAAgAAAAADAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwAAAGQAAAAAAAAABwAAAAAAAAAAAAAAAQAAAAAAAAALAAAAAAAAAAgAAAAAAAAAAA==";
    TransactionEnvelope::from_xdr_base64(text, Limits::none()).expect("the text above is a transaction")
}
