//! One sequence on the real host: with the real Wasm, and transactions with real footprints, fees and signatures.

use stellar_xdr::{
    ContractExecutable, ContractId, ContractIdPreimage, ContractIdPreimageFromAddress, CreateContractArgsV2,
    HostFunction, OperationBody, ScAddress, ScMapEntry, ScVal, SorobanAuthorizationEntry, SorobanCredentials,
    Transaction, TransactionExt, Uint256, VecM,
};

use crate::{
    answer::{self, Answer, Names},
    keys::{Key, Signer, weak_key},
    model::{Call, Claim, Model, Opening, Party, Refusal, Rules},
    network::{Network, Sure},
    observed::{self, Observed, Stored},
    token::{Line, LineChange},
    xdr,
};

/// The bytes that a sender adds to the simulated write bytes for each channel, because a `close_start` in between makes the
/// entry larger.
pub const WRITE_MARGIN: u32 = 64;
/// The bytes that a sender adds for each `close` on top of that, for the channel's balance entry.
///
/// The random sequences showed that it is needed. Take a `close` that pays nothing and whose refund fails because the
/// funder has no trustline. The contract catches that failure. The recording host then forgets, together with the
/// failed transfer, that the balance was read, and does not count the entry. The enforcing host counts it, because the
/// footprint has it. Such a `close` fails with the resources that its simulation found, though nobody did anything in
/// between. See `a_close_whose_refund_fails_needs_more_than_simulation_counts`.
pub const CLOSE_MARGIN: u32 = 224;
/// The stroops that pay for the margins. The margins together are less than a kilobyte, which costs 875 stroops.
const FEE_MARGIN: i64 = 1_000;

/// A sequence's accounts and its channel.
pub struct Chain<'n> {
    pub(crate) net: &'n Network,
    rules: Rules,
    parties: [Key; 3],
    salt: Uint256,
    /// Signs for the channel, or, while there is none, for the channel that the funder would open.
    pub(crate) signer: Signer,
    channel: Made,
    is_open: bool,
    /// The entries of the channel's storage that never change.
    constants: Option<Vec<ScMapEntry>>,
    margin: u32,
    close_margin: u32,
}

/// A transaction that needs only a sequence number and signatures.
pub struct Prepared {
    tx: Transaction,
    signers: Vec<Key>,
    /// The channel that it would create.
    makes: Option<Made>,
}

/// A channel's address and the key that it is opened with.
#[derive(Clone)]
struct Made {
    channel: ContractId,
    commitment_key: [u8; 32],
}

impl Prepared {
    /// Whether the other one has the same source. A ledger takes one transaction of each source.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        self.tx.source_account == other.tx.source_account
    }
}

impl<'n> Chain<'n> {
    /// Creates accounts that hold these units.
    ///
    /// # Errors
    /// The network is broken.
    pub fn new(net: &'n Network, rules: Rules, holdings: [i64; 3]) -> Sure<Self> {
        let (parties, number) = net.parties(holdings)?;
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&number.to_be_bytes());
        let key = Key::of("commitment", number);
        let nobody = net.token.clone(); // the lines below replace it
        let mut chain = Self {
            net,
            rules,
            channel: Made { channel: nobody.clone(), commitment_key: key.public() },
            signer: Signer { key, network: net.id, channel: nobody },
            parties,
            salt: Uint256(salt),
            is_open: false,
            constants: None,
            margin: WRITE_MARGIN,
            close_margin: CLOSE_MARGIN,
        };
        chain.signer.channel = chain.address_made_by(Party::Funder);
        chain.channel.channel = chain.signer.channel.clone();
        Ok(chain)
    }

    /// Sets margins that are not a sender's: `each` for each call, and `close` for each `close` on top.
    pub fn set_margins(&mut self, each: u32, close: u32) {
        (self.margin, self.close_margin) = (each, close);
    }

    /// The model's state at the start.
    ///
    /// # Errors
    /// The network is broken.
    pub fn model(&mut self) -> Sure<Model> {
        let Observed { ledger, lines, purse, stored: _ } = self.observe()?;
        Ok(Model { rules: self.rules, ledger, lines, purse, channel: None })
    }

    /// The addresses that events are read with.
    pub(crate) fn names(&self) -> Names<'_> {
        self.names_of(None)
    }

    /// The same addresses, with a channel that is about to be created.
    fn names_of<'a>(&'a self, made: Option<&'a Made>) -> Names<'a> {
        let made = made.unwrap_or(&self.channel);
        Names {
            rules: self.rules,
            parties: [0, 1, 2].map(|place: usize| self.parties[place].address()),
            channel: &made.channel,
            token: &self.net.token,
            commitment_key: made.commitment_key,
        }
    }

    fn party(&self, party: Party) -> &Key {
        &self.parties[party.index()]
    }

    /// The preimage of a new channel's address. Once the funder has a channel this gives another address, so that a
    /// second opening does not fail because the address is taken.
    fn preimage(&self, by: Party) -> ContractIdPreimage {
        let mut salt = self.salt.clone();
        salt.0[31] = u8::from(self.is_open);
        ContractIdPreimage::Address(ContractIdPreimageFromAddress { address: self.party(by).address(), salt })
    }

    fn address_made_by(&self, by: Party) -> ContractId {
        xdr::contract_id(self.net.id, self.preimage(by))
    }

    /// Simulates a call, and makes a transaction of it that is signed by the caller alone.
    ///
    /// # Errors
    /// The network is broken. The inner error says why the call is refused.
    pub fn prepare(&self, by: Party, call: &Call) -> Sure<Result<Prepared, Refusal>> {
        let by_issuer = matches!(call, Call::Mint(_) | Call::Clawback(_) | Call::Authorize(_));
        let source = if by_issuer { &self.net.issuer } else { self.party(by) };
        let makes = match call {
            Call::Open(opening) => {
                Some(Made { channel: self.address_made_by(by), commitment_key: self.key_of(opening) })
            }
            _ => None,
        };
        let body = self.operation(by, call)?;
        let mut tx = match self.net.simulated(self.net.draft(source, vec![(None, body)])?)? {
            Ok(tx) => tx,
            Err(failed) => {
                let refusal = answer::refusal(&failed.events, &self.names_of(makes.as_ref()));
                return Ok(Err(refusal.unwrap_or_else(|| Refusal::Other(failed.error.unwrap_or_default()))));
            }
        };
        if let TransactionExt::V1(data) = &mut tx.ext {
            let close = matches!(call, Call::Close(_)).then_some(self.close_margin);
            let margin = self.margin.saturating_add(close.unwrap_or(0));
            data.resources.write_bytes = data.resources.write_bytes.saturating_add(margin);
            data.resource_fee = data.resource_fee.saturating_add(FEE_MARGIN);
            tx.fee = tx.fee.saturating_add(FEE_MARGIN.try_into().expect("a thousand is a u32"));
        }
        keep_own_authorization(&mut tx)?;
        Ok(Ok(Prepared { tx, signers: vec![source.clone()], makes }))
    }

    fn operation(&self, by: Party, call: &Call) -> Sure<OperationBody> {
        let channel = &self.signer.channel;
        let address = ScVal::Address(ScAddress::Contract(channel.clone()));
        let signed = |function: &str, claim: &Claim| {
            let signature = self.signer.signature(claim);
            let arguments = vec![xdr::i128(claim.amount), xdr::bytes(&signature)];
            xdr::call(channel, function, arguments)
        };
        let token = |function: &str, arguments| xdr::call(&self.net.token, function, arguments);
        Ok(match call {
            Call::Open(opening) => self.opening(by, opening)?,
            Call::TopUp(amount) => xdr::call(channel, "top_up", vec![xdr::i128(*amount)]),
            Call::Settle(claim) => signed("settle", claim),
            Call::Close(claim) => signed("close", claim),
            Call::CloseStart => xdr::call(channel, "close_start", Vec::new()),
            Call::Refund => xdr::call(channel, "refund", Vec::new()),
            Call::Extend => xdr::call(channel, "extend", Vec::new()),
            Call::Send(amount) => {
                let from = ScVal::Address(self.party(by).address());
                token("transfer", vec![from, address, xdr::i128(*amount)])
            }
            Call::Mint(amount) => token("mint", vec![address, xdr::i128(*amount)]),
            Call::Clawback(amount) => token("clawback", vec![address, xdr::i128(*amount)]),
            Call::Authorize(authorized) => token("set_authorized", vec![address, ScVal::Bool(*authorized)]),
        })
    }

    fn key_of(&self, opening: &Opening) -> [u8; 32] {
        opening.weak_key.map_or_else(|| self.signer.key.public(), weak_key)
    }

    /// The opening of a channel in the funder's name, whoever opens it.
    fn opening(&self, by: Party, opening: &Opening) -> Sure<OperationBody> {
        let key = self.key_of(opening);
        let arguments = vec![
            ScVal::Address(ScAddress::Contract(self.net.token.clone())),
            ScVal::Address(self.party(Party::Funder).address()),
            xdr::bytes(&key),
            ScVal::Address(self.party(Party::Recipient).address()),
            xdr::i128(opening.amount),
            ScVal::U32(opening.wait),
        ];
        Ok(xdr::host_function(HostFunction::CreateContractV2(CreateContractArgsV2 {
            contract_id_preimage: self.preimage(by),
            executable: ContractExecutable::Wasm(self.net.code.clone()),
            constructor_args: arguments.try_into().map_err(|_| "too many arguments")?,
        })))
    }

    /// A classic transaction on a party's trustline.
    ///
    /// # Errors
    /// The network is broken.
    pub fn prepare_line(&self, of: Party, change: LineChange, line: Option<Line>) -> Sure<Prepared> {
        let holder = self.party(of);
        let balance = line.map_or(0, |line| line.balance);
        let (source, operations) = match change {
            LineChange::Remove => {
                let back = (balance > 0).then(|| self.net.payment(&self.net.issuer, balance));
                let operations = back.into_iter().chain([self.net.change_trust(0)]);
                (holder, operations.collect())
            }
            LineChange::Restore => (holder, vec![self.net.change_trust(i64::MAX)]),
            LineChange::Limit(room) => {
                let limit = balance.saturating_add(i64::from(room));
                (holder, vec![self.net.change_trust(limit)])
            }
            LineChange::Revoke => (&self.net.issuer, vec![self.net.authorize(holder, false)]),
            LineChange::Authorize => (&self.net.issuer, vec![self.net.authorize(holder, true)]),
        };
        let operations: Vec<(Option<&Key>, OperationBody)> = operations.into_iter().map(|body| (None, body)).collect();
        Ok(Prepared { tx: self.net.draft(source, operations)?, signers: vec![source.clone()], makes: None })
    }

    /// Submits for the next ledger.
    ///
    /// # Errors
    /// The network does not take it.
    pub fn submit(&self, prepared: &Prepared) -> Sure<[u8; 32]> {
        let signers: Vec<_> = prepared.signers.iter().collect();
        // A transaction in between may have used the sequence number.
        let drafted = self.net.draft(&prepared.signers[0], Vec::new())?;
        let tx = Transaction { seq_num: drafted.seq_num, ..prepared.tx.clone() };
        self.net.submit(&tx, &signers)
    }

    /// Closes a ledger and answers its number.
    ///
    /// # Errors
    /// The network is broken.
    pub fn close_ledger(&self) -> Sure<u32> {
        self.net.close()
    }

    /// Lets ledgers pass and answers which one closed last.
    ///
    /// # Errors
    /// The network is broken.
    pub fn jump(&self, ledgers: u32) -> Sure<u32> {
        self.net.localnet.jump_within(ledgers, 0).map_err(|error| error.to_string())
    }

    /// Answers what a transaction did.
    ///
    /// # Errors
    /// The network is broken, or the channel emitted an event that it never should.
    pub fn answer(&mut self, prepared: &Prepared, hash: [u8; 32]) -> Sure<Answer> {
        let included = self.net.included(hash)?;
        if let (true, Some(made)) = (included.successful, &prepared.makes) {
            self.signer.channel = made.channel.clone();
            self.channel = made.clone();
            self.is_open = true;
        }
        answer::answer(&included, &self.names_of(prepared.makes.as_ref()))
    }

    /// Reads what is in the ledger now.
    ///
    /// # Errors
    /// The network is broken, or something changed in the channel's storage that never should.
    pub fn observe(&mut self) -> Sure<Observed> {
        let mut keys: Vec<_> = self.parties.iter().map(|party| self.net.trustline(party)).collect();
        keys.push(xdr::balance(&self.net.token, &self.signer.channel));
        keys.push(xdr::instance(&self.signer.channel));
        let entries = self.net.localnet.entries(keys).map_err(|e| e.to_string())?;
        let [funder, recipient, stranger, purse, instance] = entries.as_slice() else {
            return Err("there are not as many answers as keys".to_owned());
        };
        if entries.iter().flatten().any(|entry| entry.archived) {
            return Err("an entry is archived: the lives that the driver gives to entries are too short".to_owned());
        }
        let mut lines = [None; 3];
        for (line, entry) in lines.iter_mut().zip([funder, recipient, stranger]) {
            *line = entry.as_ref().map(|it| observed::line(&it.data)).transpose()?;
        }
        let stored = match instance {
            Some(entry) => Some(self.storage(&entry.data)?),
            None => None,
        };
        Ok(Observed {
            ledger: self.net.ledger()?,
            lines,
            purse: purse.as_ref().map(|it| observed::purse(&it.data)).transpose()?,
            stored,
        })
    }

    fn storage(&mut self, data: &stellar_xdr::LedgerEntryData) -> Sure<Stored> {
        let (stored, rest) = observed::stored(data)?;
        let constants = self.constants.get_or_insert_with(|| rest.clone());
        if *constants != rest {
            return Err(format!("the channel's terms changed from {constants:?} to {rest:?}"));
        }
        Ok(stored)
    }

    /// Simulates a read-only call of the channel.
    ///
    /// # Errors
    /// The network is broken, or the call fails.
    pub fn read(&self, function: &str) -> Sure<ScVal> {
        let body = xdr::call(&self.signer.channel, function, Vec::new());
        let tx = self.net.draft(self.party(Party::Stranger), vec![(None, body)])?;
        let simulated = self.net.simulate(&tx)?;
        simulated.result.ok_or_else(|| format!("{function}: {:?}", simulated.error))
    }
}

/// Keeps only the authorization that the source gives by signing the transaction, because nobody signs for others.
fn keep_own_authorization(tx: &mut Transaction) -> Sure<()> {
    let mut operations = tx.operations.to_vec();
    if let Some(OperationBody::InvokeHostFunction(op)) = operations.first_mut().map(|operation| &mut operation.body) {
        let own: Vec<SorobanAuthorizationEntry> =
            op.auth.iter().filter(|entry| entry.credentials == SorobanCredentials::SourceAccount).cloned().collect();
        op.auth = VecM::try_from(own).map_err(|_| "too many authorizations")?;
    }
    tx.operations = operations.try_into().map_err(|_| "too many operations")?;
    Ok(())
}
