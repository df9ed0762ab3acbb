//! Several channels of one funder on the real host, for calls that are written elsewhere.
//!
//! Nothing is simulated here. Each call becomes a transaction whose footprint has all entries that any call of the channel can
//! need, so that calls which fail are executed, too, and several calls can be in one ledger.

use stellar_xdr::{
    ContractExecutable, ContractIdPreimage, ContractIdPreimageFromAddress, CreateContractArgsV2, HostFunction,
    InvokeContractArgs, LedgerFootprint, LedgerKey, LedgerKeyAccount, LedgerKeyContractCode, OperationBody, ScAddress,
    ScSymbol, ScVal, SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation,
    SorobanCredentials, SorobanResources, SorobanTransactionData, SorobanTransactionDataExt, Transaction,
    TransactionExt, Uint256, VecM,
};

use crate::{
    answer::{self, Answer, Names},
    call::{Call, Claim, Party},
    keys::{Key, Signer},
    model::Rules,
    network::{Network, Sure},
    observed,
    token::{Line, Purse},
    xdr,
};

/// What every transaction declares. It is more than any call needs, and little enough for some thirty calls in a ledger.
const RESOURCES: (u32, u32, u32) = (8_000_000, 4_000, 4_000);
/// The fee of every transaction, in stroops. What is not needed is charged, too, or given back.
const FEE: u32 = 100_000_000;

/// A funder, recipients and channels.
pub struct Ground<'n> {
    net: &'n Network,
    funder: Key,
    recipients: Vec<Key>,
    /// Each pays for one transaction of a ledger.
    payers: Vec<Key>,
    channels: Vec<Channel>,
    /// The number of the first key of this ground's channels.
    number: u64,
}

struct Channel {
    signer: Signer,
    recipient: usize,
}

/// What happens in a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Somebody calls a channel, or the token about a channel. The issuer is the one who claws back and authorizes.
    Call {
        /// The channel, in the order of their openings.
        channel: usize,
        /// Who calls.
        by: Party,
        /// The call.
        call: Call,
    },
    /// The issuer freezes a recipient's trustline, or authorizes it again.
    AuthorizeRecipient {
        /// The recipient's place.
        recipient: usize,
        /// Whether it is authorized then.
        authorized: bool,
    },
    /// A recipient changes the limit of its trustline. A ledger does this before all calls.
    Limit {
        /// The recipient's place.
        recipient: usize,
        /// The limit, in base units.
        limit: i64,
    },
    /// The funder sends all its tokens to the issuer and removes its trustline. A ledger does this before all calls, too.
    RemoveTrustline {
        /// The tokens, in base units.
        units: i64,
    },
    /// The funder creates its trustline again, and the issuer sends it tokens. A ledger does this before all calls, too.
    CreateTrustline {
        /// The tokens, in base units.
        units: i64,
    },
}

/// A channel, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// `DepositedAmount`.
    pub deposited: i128,
    /// `WithdrawnAmount`.
    pub withdrawn: i128,
    /// `CloseEffectiveAtLedger`.
    pub deadline: Option<u32>,
    /// `Refunded`.
    pub refunded: bool,
    /// The token's entry for the channel.
    pub purse: Purse,
}

impl<'n> Ground<'n> {
    /// Creates the accounts. Each recipient holds `holdings` units, and the funder these and what the channels will take.
    ///
    /// # Errors
    /// The network is broken.
    pub fn new(net: &'n Network, recipients: usize, payers: usize, holdings: i64, deposits: i64) -> Sure<Self> {
        let number = net.next_number();
        let funder = Key::of("funder", number);
        let keys = |name: &str, count: usize| -> Vec<Key> {
            (0..count).map(|place| Key::of(&format!("{name} {place}"), number)).collect()
        };
        let (recipients, payers) = (keys("recipient", recipients), keys("payer", payers));
        let all = holdings.checked_add(deposits).ok_or("an i64 does not hold so much")?;
        net.create_accounts(&payers)?;
        net.create_holder(&funder, all)?;
        for recipient in &recipients {
            net.create_holder(recipient, holdings)?;
        }
        Ok(Self { net, funder, recipients, payers, channels: Vec::new(), number })
    }

    /// Opens a channel to this recipient.
    ///
    /// # Errors
    /// The network is broken.
    pub fn open(&mut self, recipient: usize, deposit: i128, wait: u32) -> Sure<()> {
        let place = self.channels.len();
        let key = Key::of(&format!("commitment {place}"), self.number);
        let to = self.recipients.get(recipient).ok_or("no such recipient")?;
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&self.number.to_be_bytes());
        salt[8..16].copy_from_slice(&(place as u64).to_be_bytes());
        let preimage = ContractIdPreimage::Address(ContractIdPreimageFromAddress {
            address: self.funder.address(),
            salt: Uint256(salt),
        });
        let arguments = vec![
            ScVal::Address(ScAddress::Contract(self.net.token.clone())),
            ScVal::Address(self.funder.address()),
            xdr::bytes(&key.public()),
            ScVal::Address(to.address()),
            xdr::i128(deposit),
            ScVal::U32(wait),
        ];
        let body = xdr::host_function(HostFunction::CreateContractV2(CreateContractArgsV2 {
            contract_id_preimage: preimage.clone(),
            executable: ContractExecutable::Wasm(self.net.code.clone()),
            constructor_args: arguments.try_into().map_err(|_| "too many arguments")?,
        }));
        self.net.run_simulated(&self.funder, body)?;
        let channel = xdr::contract_id(self.net.id, preimage);
        self.channels.push(Channel { signer: Signer { key, network: self.net.id, channel }, recipient });
        Ok(())
    }

    /// Closes the next ledger with these deeds, in this order, and answers what each did.
    ///
    /// # Errors
    /// The network is broken, or a ledger can't take so many.
    pub fn act(&self, deeds: &[Deed]) -> Sure<Vec<Answer>> {
        if deeds.len() > self.payers.len() {
            return Err(format!("{} deeds in a ledger, and {} payers", deeds.len(), self.payers.len()));
        }
        let mut hashes = Vec::new();
        for (deed, payer) in deeds.iter().zip(&self.payers) {
            let (tx, callers) = self.transaction(*deed, payer)?;
            let mut signers = vec![payer];
            signers.extend(callers.into_iter().filter(|caller| caller.public() != payer.public()));
            hashes.push(self.net.submit(&tx, &signers)?);
        }
        self.net.close()?;
        let answers = deeds.iter().zip(hashes).map(|(deed, hash)| {
            let channel = match deed {
                Deed::Call { channel, .. } => *channel,
                Deed::AuthorizeRecipient { .. }
                | Deed::Limit { .. }
                | Deed::RemoveTrustline { .. }
                | Deed::CreateTrustline { .. } => 0,
            };
            answer::answer(&self.net.included(hash)?, &self.names(self.channel(channel)?))
        });
        answers.collect()
    }

    fn channel(&self, place: usize) -> Sure<&Channel> {
        self.channels.get(place).ok_or_else(|| format!("there is no channel {place}"))
    }

    fn names<'a>(&'a self, channel: &'a Channel) -> Names<'a> {
        let recipient = self.recipients[channel.recipient].address();
        Names {
            rules: Rules::Paychan,
            parties: [self.funder.address(), recipient, self.payers[0].address()],
            channel: &channel.signer.channel,
            token: &self.net.token,
            commitment_key: channel.signer.key.public(),
        }
    }

    /// A transaction, and the keys of the sources of its operations.
    fn transaction<'a>(&'a self, deed: Deed, payer: &'a Key) -> Sure<(Transaction, Vec<&'a Key>)> {
        let (channel, caller, body) = match deed {
            Deed::Call { channel, by, call } => {
                let channel = self.channel(channel)?;
                let caller = match (call, by) {
                    (Call::Clawback(_) | Call::Authorize(_), _) => &self.net.issuer,
                    (_, Party::Funder) => &self.funder,
                    (_, Party::Recipient) => &self.recipients[channel.recipient],
                    (_, Party::Stranger) => payer,
                };
                (Some(channel), caller, self.body(channel, caller, &call)?)
            }
            Deed::AuthorizeRecipient { recipient, authorized } => {
                let holder = ScVal::Address(self.recipients.get(recipient).ok_or("no such recipient")?.address());
                let call = xdr::call(&self.net.token, "set_authorized", vec![holder, ScVal::Bool(authorized)]);
                (None, &self.net.issuer, call)
            }
            Deed::Limit { recipient, limit } => {
                let holder = self.recipients.get(recipient).ok_or("no such recipient")?;
                let tx = self.net.draft(payer, vec![(Some(holder), self.net.change_trust(limit))])?;
                return Ok((tx, vec![holder]));
            }
            Deed::RemoveTrustline { units } => {
                let mut operations = vec![(Some(&self.funder), self.net.change_trust(0))];
                // A payment of nothing is not valid.
                if units > 0 {
                    operations.insert(0, (Some(&self.funder), self.net.payment(&self.net.issuer, units)));
                }
                return Ok((self.net.draft(payer, operations)?, vec![&self.funder]));
            }
            Deed::CreateTrustline { units } => {
                let mut operations = vec![(Some(&self.funder), self.net.change_trust(i64::MAX))];
                if units > 0 {
                    operations.push((Some(&self.net.issuer), self.net.payment(&self.funder, units)));
                }
                return Ok((self.net.draft(payer, operations)?, vec![&self.funder, &self.net.issuer]));
            }
        };
        let operation = (Some(caller), self.authorized(body, channel)?);
        let mut tx = self.net.draft(payer, vec![operation])?;
        let (instructions, disk_read_bytes, write_bytes) = RESOURCES;
        tx.fee = FEE;
        tx.ext = TransactionExt::V1(SorobanTransactionData {
            ext: SorobanTransactionDataExt::V0,
            resources: SorobanResources {
                footprint: self.footprint(channel)?,
                instructions,
                disk_read_bytes,
                write_bytes,
            },
            resource_fee: i64::from(FEE) - 100_000,
        });
        Ok((tx, vec![caller]))
    }

    fn body(&self, channel: &Channel, caller: &Key, call: &Call) -> Sure<OperationBody> {
        let id = &channel.signer.channel;
        let holder = ScVal::Address(ScAddress::Contract(id.clone()));
        let signed = |function: &str, claim: &Claim| {
            let signature = channel.signer.signature(claim);
            xdr::call(id, function, vec![xdr::i128(claim.amount), xdr::bytes(&signature)])
        };
        let token = |function: &str, arguments| xdr::call(&self.net.token, function, arguments);
        Ok(match call {
            Call::TopUp(units) => xdr::call(id, "top_up", vec![xdr::i128(*units)]),
            Call::Settle(claim) => signed("settle", claim),
            Call::Close(claim) => signed("close", claim),
            Call::CloseStart => xdr::call(id, "close_start", Vec::new()),
            Call::Refund => xdr::call(id, "refund", Vec::new()),
            Call::Extend => xdr::call(id, "extend", Vec::new()),
            Call::Send(units) => token("transfer", vec![ScVal::Address(caller.address()), holder, xdr::i128(*units)]),
            Call::Mint(units) => token("mint", vec![holder, xdr::i128(*units)]),
            Call::Clawback(units) => token("clawback", vec![holder, xdr::i128(*units)]),
            Call::Authorize(authorized) => token("set_authorized", vec![holder, ScVal::Bool(*authorized)]),
            Call::Open(_) => return Err("a channel is opened with `open`".to_owned()),
        })
    }

    /// The call, with what its source authorizes by signing the transaction: the call itself, and a deposit that it makes.
    fn authorized(&self, body: OperationBody, channel: Option<&Channel>) -> Sure<OperationBody> {
        let OperationBody::InvokeHostFunction(mut invoke) = body else {
            return Err("this is no call".to_owned());
        };
        let HostFunction::InvokeContract(call) = &invoke.host_function else {
            return Err("this is no call of a contract".to_owned());
        };
        let mut root = invocation(call.clone());
        if let (Some(channel), [units @ ScVal::I128(_)], true) =
            (channel, call.args.as_slice(), call.function_name.0.as_slice() == b"top_up")
        {
            let to = ScVal::Address(ScAddress::Contract(channel.signer.channel.clone()));
            let arguments = vec![ScVal::Address(self.funder.address()), to, units.clone()];
            let transfer = InvokeContractArgs {
                contract_address: ScAddress::Contract(self.net.token.clone()),
                function_name: ScSymbol("transfer".try_into().map_err(|_| "a long name")?),
                args: arguments.try_into().map_err(|_| "too many arguments")?,
            };
            root.sub_invocations = vec![invocation(transfer)].try_into().map_err(|_| "too many calls")?;
        }
        let entry = SorobanAuthorizationEntry { credentials: SorobanCredentials::SourceAccount, root_invocation: root };
        invoke.auth = vec![entry].try_into().map_err(|_| "too many authorizations")?;
        Ok(OperationBody::InvokeHostFunction(invoke))
    }

    /// All entries that a call of this channel can need, or that the issuer needs for all recipients.
    fn footprint(&self, channel: Option<&Channel>) -> Sure<LedgerFootprint> {
        // The token reads the issuer's flags before it freezes a balance.
        let issuer = LedgerKey::Account(LedgerKeyAccount { account_id: self.net.issuer.id() });
        let mut read_only = vec![xdr::instance(&self.net.token), issuer];
        let mut read_write = Vec::new();
        match channel {
            None => read_write.extend(self.recipients.iter().map(|recipient| self.net.trustline(recipient))),
            Some(channel) => {
                read_only.push(LedgerKey::ContractCode(LedgerKeyContractCode { hash: self.net.code.clone() }));
                let id = &channel.signer.channel;
                read_write.push(xdr::instance(id));
                read_write.push(xdr::balance(&self.net.token, id));
                read_write.push(self.net.trustline(&self.funder));
                read_write.push(self.net.trustline(&self.recipients[channel.recipient]));
            }
        }
        Ok(LedgerFootprint {
            read_only: read_only.try_into().map_err(|_| "too many entries")?,
            read_write: read_write.try_into().map_err(|_| "too many entries")?,
        })
    }

    /// Reads a channel.
    ///
    /// # Errors
    /// The network is broken, or there is no such channel.
    pub fn see(&self, channel: usize) -> Sure<Seen> {
        let id = &self.channel(channel)?.signer.channel;
        let keys = vec![xdr::instance(id), xdr::balance(&self.net.token, id)];
        let entries = self.net.localnet.entries(keys).map_err(|error| error.to_string())?;
        let [Some(instance), Some(balance)] = entries.as_slice() else {
            return Err("a channel's entry is missing".to_owned());
        };
        let (stored, _) = observed::stored(&instance.data)?;
        Ok(Seen {
            deposited: stored.deposited.ok_or("no DepositedAmount")?,
            withdrawn: stored.withdrawn.ok_or("no WithdrawnAmount")?,
            deadline: stored.deadline,
            refunded: stored.refunded,
            purse: observed::purse(&balance.data)?,
        })
    }

    /// The funder's trustline, or `None` if it has none.
    ///
    /// # Errors
    /// The network is broken.
    pub fn funder(&self) -> Sure<Option<Line>> {
        self.line(&self.funder)
    }

    /// A recipient's trustline.
    ///
    /// # Errors
    /// The network is broken, or there is no such recipient.
    pub fn recipient(&self, place: usize) -> Sure<Line> {
        let line = self.line(self.recipients.get(place).ok_or("no such recipient")?)?;
        line.ok_or_else(|| "a recipient's trustline is missing".to_owned())
    }

    fn line(&self, holder: &Key) -> Sure<Option<Line>> {
        let entries = self.net.localnet.entries(vec![self.net.trustline(holder)]).map_err(|error| error.to_string())?;
        match entries.as_slice() {
            [Some(entry)] => observed::line(&entry.data).map(Some),
            [None] => Ok(None),
            other => Err(format!("{} answers to a question for one entry", other.len())),
        }
    }
}

fn invocation(call: InvokeContractArgs) -> SorobanAuthorizedInvocation {
    SorobanAuthorizedInvocation {
        function: SorobanAuthorizedFunction::ContractFn(call),
        sub_invocations: VecM::default(),
    }
}
