//! The friendbot gives coins to new accounts. One transaction at the head of the next ledger serves up to a hundred requests,
//! so that many of them can come at once.

use ed25519_dalek::{Signer, SigningKey};
use stellar_xdr::{
    AccountId, CreateAccountOp, DecoratedSignature, Memo, MuxedAccount, Operation, OperationBody, Preconditions,
    SequenceNumber, Signature, SignatureHint, Transaction, TransactionEnvelope, TransactionExt, TransactionV1Envelope,
    Uint256, VecM,
};
use tokio::sync::oneshot;

use crate::{
    ledger::{
        accounts::{account_id, find_account},
        entries::Entries,
        genesis::friendbot_key,
        history::{ClosedTransaction, History},
    },
    settings::BASE_FEE,
    transaction::envelope::Submitted,
};

/// Stroops that a new account gets: 10,000 XLM.
pub(crate) const GIFT: i64 = 100_000_000_000;
/// The most operations of one transaction.
const MAX_OPERATIONS: usize = 100;

/// The outcome of a request.
#[derive(Debug)]
pub(crate) enum Funding {
    /// This transaction created the account, in this ledger.
    Closed { ledger: u32, transaction: Box<ClosedTransaction> },
    /// The account exists already.
    Exists,
    /// The ledger did not take the transaction.
    Dropped,
}

/// The friendbot's account, and the requests that wait for it.
pub(crate) struct Friendbot {
    key: SigningKey,
    network_id: [u8; 32],
    waiting: Vec<(AccountId, oneshot::Sender<Funding>)>,
    /// The hash of the transaction in the ledger that closes now, and the accounts that it creates. There is no hash if
    /// the transaction could not be made.
    sent: Option<(Option<[u8; 32]>, Vec<AccountId>)>,
}

impl Friendbot {
    pub(crate) fn new(network_id: [u8; 32]) -> Self {
        Self { key: friendbot_key(network_id), network_id, waiting: Vec::new(), sent: None }
    }

    /// Adds an account to the waiting requests. The answer comes when a ledger has closed.
    pub(crate) fn request(&mut self, entries: &Entries, account: AccountId) -> oneshot::Receiver<Funding> {
        let (sender, receiver) = oneshot::channel();
        if find_account(entries, &account).is_some() {
            // Sending fails only when nobody waits for the answer any more.
            let _ = sender.send(Funding::Exists);
        } else {
            self.waiting.push((account, sender));
        }
        receiver
    }

    /// Whether a request waits.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The transaction for the requests that wait, at most a hundred of them. The others wait for the next ledger.
    pub(crate) fn transaction(&mut self, entries: &Entries) -> Option<Submitted> {
        let mut accounts: Vec<AccountId> = Vec::new();
        for (account, sender) in std::mem::take(&mut self.waiting) {
            if find_account(entries, &account).is_some() {
                // Somebody else created the account while the request waited.
                let _ = sender.send(Funding::Exists);
                continue;
            }
            if accounts.len() < MAX_OPERATIONS && !accounts.contains(&account) {
                accounts.push(account.clone());
            }
            self.waiting.push((account, sender));
        }
        let tx = self.build(entries, &accounts);
        self.sent = Some((tx.as_ref().map(Submitted::hash), accounts));
        tx
    }

    fn build(&self, entries: &Entries, accounts: &[AccountId]) -> Option<Submitted> {
        if accounts.is_empty() {
            return None;
        }
        let public = self.key.verifying_key().to_bytes();
        let sequence = find_account(entries, &account_id(public))?.seq_num.0;
        let operations: Vec<_> = accounts
            .iter()
            .map(|account| Operation {
                source_account: None,
                body: OperationBody::CreateAccount(CreateAccountOp {
                    destination: account.clone(),
                    starting_balance: GIFT,
                }),
            })
            .collect();
        let fee = BASE_FEE.saturating_mul(u32::try_from(operations.len()).ok()?);
        let tx = Transaction {
            source_account: MuxedAccount::Ed25519(Uint256(public)),
            fee,
            seq_num: SequenceNumber(sequence.checked_add(1)?),
            cond: Preconditions::None,
            memo: Memo::None,
            operations: operations.try_into().ok()?,
            ext: TransactionExt::V0,
        };
        self.sign(tx)
    }

    fn sign(&self, tx: Transaction) -> Option<Submitted> {
        let envelope = |tx, signatures| TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures });
        let hash = envelope(tx.clone(), VecM::default()).hash(self.network_id).ok()?;
        let public = self.key.verifying_key().to_bytes();
        let signature = DecoratedSignature {
            hint: SignatureHint(public[28..].try_into().ok()?),
            signature: Signature(self.key.sign(&hash).to_bytes().to_vec().try_into().ok()?),
        };
        Submitted::new(envelope(tx, vec![signature].try_into().ok()?), self.network_id).ok()
    }

    /// Answers the requests whose transaction was for the ledger that has just closed.
    pub(crate) fn answer(&mut self, history: &History) {
        let Some((hash, accounts)) = self.sent.take() else {
            return;
        };
        let closed = hash.and_then(|hash| history.transaction(&hash));
        let (served, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(account, _)| accounts.contains(account));
        self.waiting = waiting;
        for (_, sender) in served {
            let funding = match closed {
                Some((transaction, ledger, _)) => Funding::Closed {
                    ledger: ledger.header.header.ledger_seq,
                    transaction: Box::new(transaction.clone()),
                },
                None => Funding::Dropped,
            };
            let _ = sender.send(funding);
        }
    }
}
