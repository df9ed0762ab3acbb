//! Gives coins to new accounts. Requests are collected and paid by one transaction at the head of the next ledger, so that
//! any number of them can come at once.

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
/// Operations of one transaction at most.
const MAX_OPERATIONS: usize = 100;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Funding {
    /// In this ledger, by this transaction.
    Closed { ledger: u32, transaction: Box<ClosedTransaction> },
    /// The account was there before.
    Exists,
    /// The transaction was not taken into the ledger.
    Dropped,
}

/// The account that gives, and who waits for it.
pub(crate) struct Friendbot {
    key: SigningKey,
    network_id: [u8; 32],
    waiting: Vec<(AccountId, oneshot::Sender<Funding>)>,
    /// The transaction of the ledger that closes now (none if it could not be made), and for whom it is.
    sent: Option<(Option<[u8; 32]>, Vec<AccountId>)>,
}

impl Friendbot {
    pub(crate) fn new(network_id: [u8; 32]) -> Self {
        Self { key: friendbot_key(network_id), network_id, waiting: Vec::new(), sent: None }
    }

    /// Puts an account on the list; the answer comes when a ledger closed.
    pub(crate) fn request(&mut self, entries: &Entries, account: AccountId) -> oneshot::Receiver<Funding> {
        let (sender, receiver) = oneshot::channel();
        if find_account(entries, &account).is_some() {
            // Fails only when the asker is gone.
            let _ = sender.send(Funding::Exists);
        } else {
            self.waiting.push((account, sender));
        }
        receiver
    }

    /// Does anybody wait?
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The transaction for those who wait, up to a hundred accounts; the rest wait for the ledger after.
    pub(crate) fn transaction(&mut self, entries: &Entries) -> Option<Submitted> {
        let mut accounts: Vec<AccountId> = Vec::new();
        for (account, sender) in std::mem::take(&mut self.waiting) {
            if find_account(entries, &account).is_some() {
                // Somebody else created it while it waited.
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

    /// Tells those whose transaction was for the ledger that just closed.
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
