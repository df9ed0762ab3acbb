//! `paychan open` deploys a new channel with a deposit in it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use paychan_channel::calls::{self, OpenTerms};
use paychan_channel::xdr::{HostFunction, InvokeContractArgs, ScSymbol};
use paychan_channel::{AccountId, Address, Amount, ChannelState, CommitmentKey, ContractId, WasmHash, ledger_keys};
use paychan_rpc::meaning::{Authorization, Entries, Holdings, Meaning};
use paychan_rpc::{Parties, SecretKey};
use serde::Serialize;

use crate::amounts;
use crate::error::{Failure, Kind, bail};
use crate::funding::{funder_can_pay, recipient_trouble};
use crate::output::{Output, table};
use crate::secret::{is_stdin, only_one_stdin};
use crate::session::{Receipt, Session};
use crate::signers::{CommitmentSecretArgs, TransactArgs};
use crate::token::{Token, TokenArg};

/// The shortest waiting period that a watcher accepts by default, in ledgers. It is a day of 5-second ledgers, so that
/// an operator who sleeps can still react.
pub(crate) const USUAL_WAITING_PERIOD: u32 = 17_280;

/// The longest waiting period that the contract accepts, in ledgers. It is a year of 5-second ledgers.
pub(crate) const LONGEST_WAITING_PERIOD: u32 = 6_307_200;

/// The largest file that is read as Wasm, in bytes. It is above the limit of every network (131,072 bytes on testnet),
/// and keeps a wrong file out of memory.
const MAX_WASM_BYTES: u64 = 1024 * 1024;

/// Open a channel: deploy its contract, with a deposit in it
///
/// The account whose secret is given is the funder. It pays the deposit and the fees; the commitment key (see paychan
/// keygen) signs the payments. The contract's code is uploaded first if the network lacks it: everybody's channels share
/// it.
///
/// It never opens a channel twice: the channel's address follows from the funder and a salt, and both are printed
/// before anything is sent. If the outcome is not known, run the same command again with --salt: it finds the channel
/// if it was opened, and opens it if not.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan open --network testnet --secret-file funder.key --commitment-key 3f1c... \\
    --token USDC:GISSUER... --deposit 25 --to GRECIPIENT... --refund-waiting-period 17280 --wasm paychan_contract.wasm
  paychan open --network testnet --secret-file funder.key --commitment-secret-file agent.seed \\
    --token native --deposit 250000000 --base-units --to GRECIPIENT... --refund-waiting-period 17280 \\
    --wasm-hash 9c2e... --json")]
pub(crate) struct Open {
    /// The token: native, CODE:ISSUER, or a token contract's C... address
    #[arg(long, value_name = "TOKEN")]
    token: TokenArg,

    /// The recipient: a G... account or C... contract address
    #[arg(long, value_name = "ADDRESS")]
    to: Address,

    /// The deposit in whole tokens, such as 12.5
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    deposit: String,

    /// The deposit is given in base units
    #[arg(long)]
    base_units: bool,

    /// Ledgers between the funder's close-start and the refund: the recipient's time to settle
    #[arg(long, value_name = "LEDGERS", value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_WAITING_PERIOD)))]
    refund_waiting_period: u32,

    /// The commitment key's public part: 64 hex digits
    #[arg(
        long,
        value_name = "HEX",
        conflicts_with = "commitment_secret_file",
        required_unless_present = "commitment_secret_file"
    )]
    commitment_key: Option<CommitmentKey>,

    /// Instead of --commitment-key: a file with the seed, or - for standard input; only the public part is used
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    commitment_secret_file: Option<PathBuf>,

    /// The contract's Wasm, uploaded if the network lacks it
    #[arg(long, value_name = "FILE", env = "PAYCHAN_WASM", help_heading = "Contract")]
    wasm: Option<PathBuf>,

    /// Instead of --wasm: the hash of Wasm that the network has already
    #[arg(long, value_name = "HEX", help_heading = "Contract")]
    wasm_hash: Option<WasmHash>,

    /// The salt that an earlier run printed; the command then finds that channel instead of opening another [default:
    /// random]
    #[arg(long, value_name = "HEX", value_parser = parse_salt)]
    salt: Option<Salt>,

    #[command(flatten)]
    transact: TransactArgs,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Salt(pub(crate) [u8; 32]);

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

pub(crate) fn parse_salt(text: &str) -> Result<Salt, String> {
    let mut salt = [0; 32];
    hex::decode_to_slice(text, &mut salt).map(|()| Salt(salt)).map_err(|_| {
        format!("expected 64 hex digits as printed by an earlier paychan open, got {} characters", text.len())
    })
}

pub(crate) fn random_salt() -> Result<Salt, Failure> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|e| Failure::new(Kind::Input, format!("this machine gave no random bytes for the salt: {e}")))?;
    Ok(Salt(salt))
}

/// An open channel.
#[derive(Serialize)]
pub(crate) struct Opened {
    pub(crate) channel: ContractId,
    /// True when an earlier run had opened the channel.
    pub(crate) already_open: bool,
    token: ContractId,
    from: Address,
    to: Address,
    commitment_key: String,
    refund_waiting_period: u32,
    deposited: Amount,
    wasm_hash: WasmHash,
    salt: String,
    /// The upload of the code; null when the network had it.
    upload: Option<Receipt>,
    /// The opening; null when the channel was open before.
    open: Option<Receipt>,
    #[serde(skip)]
    pub(crate) shown_deposit: String,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![
            ("channel", self.channel.to_string()),
            ("deposited", self.shown_deposit.clone()),
            ("from", self.from.to_string()),
            ("to", self.to.to_string()),
            ("commitment key", self.commitment_key.clone()),
            ("waiting period", format!("{} ledgers", self.refund_waiting_period)),
        ];
        if self.already_open {
            rows.push(("opened", "by an earlier run; nothing was sent now".to_owned()));
        }
        rows.extend(self.upload.as_ref().map(|receipt| ("upload", receipt.to_string())));
        rows.extend(self.open.as_ref().map(|receipt| ("open", receipt.to_string())));
        table(f, rows)
    }
}

/// The contract's code as the options name it.
pub(crate) enum Code {
    Wasm { bytes: Vec<u8>, hash: WasmHash },
    Hash(WasmHash),
}

impl Code {
    pub(crate) fn hash(&self) -> WasmHash {
        match self {
            Code::Wasm { hash, .. } | Code::Hash(hash) => *hash,
        }
    }

    /// The code that `--wasm` and `--wasm-hash` name.
    pub(crate) fn named(wasm: Option<&Path>, hash: Option<WasmHash>) -> Result<Self, Failure> {
        match (wasm, hash) {
            (Some(path), expected) => {
                let bytes = read_wasm(path)?;
                let hash = WasmHash::of(&bytes);
                if let Some(expected) = expected.filter(|expected| *expected != hash) {
                    bail!(
                        Kind::Input,
                        "{} has the hash {hash}, but --wasm-hash says {expected}; give one of the two, or the right file",
                        path.display()
                    );
                }
                Ok(Code::Wasm { bytes, hash })
            }
            (None, Some(hash)) => Ok(Code::Hash(hash)),
            (None, None) => bail!(
                Kind::Usage,
                "which contract? Give --wasm FILE (PAYCHAN_WASM), as built by scripts/build-contracts.sh, or --wasm-hash HEX \
                 of code that the network has"
            ),
        }
    }
}

impl Open {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[
            ("--secret-file", self.transact.reads_stdin()),
            ("--commitment-secret-file", self.commitment_secret_file.as_deref().is_some_and(is_stdin)),
        ])?;
        let code = Code::named(self.wasm.as_deref(), self.wasm_hash)?;
        let commitment_key = self.commitment_key()?;
        let secret = self.transact.account_secret()?;
        let funder = secret.account();
        if self.to == Address::Account(funder) {
            bail!(Kind::Usage, "--to is the funder itself, {funder}; a channel pays somebody else");
        }

        let session = Session::connect(&self.transact, output).await?;
        let token = Token::resolve(&session, &self.token).await?;
        let terms = OpenTerms {
            token: token.id,
            from: Address::Account(funder),
            commitment_key,
            to: self.to,
            amount: amounts::parse("--deposit", &self.deposit, self.base_units, &token)?,
            refund_waiting_period: self.refund_waiting_period,
        };
        if self.refund_waiting_period < USUAL_WAITING_PERIOD {
            output.warn(format_args!(
                "a waiting period of {} ledgers is short: by default a watcher wants {USUAL_WAITING_PERIOD}",
                self.refund_waiting_period
            ));
        }
        let salt = match self.salt {
            Some(salt) => salt,
            None => random_salt()?,
        };
        let channel = calls::channel_id(&session.network, &terms.from, salt.0);
        output.progress(format_args!(
            "the channel will be {channel}; if anything goes wrong, run again with --salt {salt}"
        ));

        let opening = Opening { session: &session, secret: &secret, funder, token: &token, terms, code, salt, channel };
        let opened = opening.run().await.map_err(|failure| {
            let failure = failure.with("channel", channel.to_string()).with("salt", salt.to_string());
            Failure {
                message: match failure.kind {
                    Kind::OutcomeUnknown => format!(
                        "{}. Run the same command with --salt {salt}: it finds the channel if it was opened, and opens it if not",
                        failure.message
                    ),
                    _ => failure.message,
                },
                ..failure
            }
        })?;
        let told = output.result(&opened);
        match &opened.open {
            Some(receipt) => receipt.after(&channel, told),
            None => told,
        }
    }

    fn commitment_key(&self) -> Result<CommitmentKey, Failure> {
        match (&self.commitment_key, &self.commitment_secret_file) {
            (Some(key), _) => Ok(*key),
            (None, Some(file)) => Ok(CommitmentSecretArgs::for_open(file).read()?.public()),
            (None, None) => bail!(Kind::Usage, "--commitment-key HEX or --commitment-secret-file FILE is needed"),
        }
    }
}

fn read_wasm(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_WASM_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| Failure::new(Kind::Input, format!("the contract's Wasm {shown} can't be read: {e}")))?;
    // A module begins with a magic number and version 1 (WebAssembly core specification, "Modules").
    if !bytes.starts_with(b"\0asm\x01\0\0\0") || bytes.len() as u64 > MAX_WASM_BYTES {
        bail!(Kind::Input, "{shown} is not a Wasm module of a contract");
    }
    Ok(bytes)
}

/// One opening whose terms are complete.
pub(crate) struct Opening<'a> {
    pub(crate) session: &'a Session,
    pub(crate) secret: &'a SecretKey,
    pub(crate) funder: AccountId,
    pub(crate) token: &'a Token,
    pub(crate) terms: OpenTerms,
    pub(crate) code: Code,
    pub(crate) salt: Salt,
    pub(crate) channel: ContractId,
}

impl Opening<'_> {
    /// The channel as it is on chain; `None` when it was not opened.
    pub(crate) async fn state(&self) -> Result<Option<ChannelState>, Failure> {
        match self.session.entry(&ledger_keys::instance(&self.channel)).await? {
            Some(_) => self.session.channel(&self.channel).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens the channel, or finds that it is open.
    pub(crate) async fn run(&self) -> Result<Opened, Failure> {
        let session = self.session;
        if let Some(state) = self.state().await? {
            self.same_terms(&state)?;
            return Ok(self.opened(true, &state, None, None));
        }
        funder_can_pay(session, self.funder, self.token, self.terms.amount).await?;
        if let Some(trouble) = recipient_trouble(session, &self.terms.to, self.token).await? {
            session.output.warn(format_args!(
                "{trouble}: the channel can be opened, but nothing can be paid out of it until that is repaired"
            ));
        }
        let upload = self.upload_if_missing().await?;
        let shown = self.token.show(self.terms.amount);
        session.output.progress(format_args!("opening the channel with a deposit of {shown} ..."));
        let open = session.transact(self.secret, self.create(), Some(&self.parties()), self.meaning()).await?;
        let state = session.channel_after(&self.channel, &open).await?;
        open.after(&self.channel, self.same_terms(&state))?;
        Ok(self.opened(false, &state, upload, Some(open)))
    }

    async fn upload_if_missing(&self) -> Result<Option<Receipt>, Failure> {
        let hash = self.code.hash();
        if self.session.entry(&ledger_keys::code(&hash)).await?.is_some() {
            self.session.output.progress(format_args!("the network has the contract's code {hash}"));
            return Ok(None);
        }
        let Code::Wasm { bytes, .. } = &self.code else {
            bail!(
                Kind::Refused,
                "this network has no Wasm with the hash {hash}; give the module itself with --wasm FILE, and it is uploaded"
            );
        };
        self.session.output.progress(format_args!("uploading the contract's code ({} bytes, {hash}) ...", bytes.len()));
        let function = calls::upload(bytes.clone()).map_err(|e| Failure::new(Kind::Input, e.to_string()))?;
        // An upload writes the code and nothing else.
        let entries = Entries::Of(Holdings { code: vec![hash], ..Holdings::default() });
        let max_resource_fee = self.session.max_fee_of(&function);
        let meaning = Meaning { authorization: Authorization::Nobody, entries, max_resource_fee };
        self.session.transact(self.secret, function, None, meaning).await.map(Some)
    }

    fn create(&self) -> HostFunction {
        calls::create(&self.terms.from, self.salt.0, &self.code.hash(), &self.terms)
    }

    fn parties(&self) -> Parties {
        Parties { channel: Some(self.channel), token: self.token.asset.as_ref().map(|_| self.token.id) }
    }

    /// What the funder means to sign: creating the contract, its constructor, and the deposit's transfer into it.
    fn meaning(&self) -> Meaning {
        let constructor = HostFunction::InvokeContract(InvokeContractArgs {
            contract_address: self.channel.to_sc(),
            function_name: ScSymbol("__constructor".try_into().expect("13 characters fit a symbol of 32")),
            args: calls::constructor_args(&self.terms).try_into().expect("six arguments fit a call"),
        });
        let deposit = calls::token_transfer(
            &self.terms.token,
            &self.terms.from,
            &Address::Contract(self.channel),
            self.terms.amount,
        );
        let max_resource_fee = self.session.max_fee_of(&self.create());
        let authorization = Authorization::Call { within: vec![constructor, deposit], signers: Vec::new() };
        Meaning { authorization, entries: self.entries(), max_resource_fee }
    }

    /// The entries that opening may touch: the channel, its code, the token, and the parties' balances. A token with
    /// code of its own may keep its data in any entry, so any entry is allowed for it.
    fn entries(&self) -> Entries {
        let Some(asset) = &self.token.asset else { return Entries::Any };
        let mut holders = vec![self.terms.from, self.terms.to, Address::Contract(self.channel)];
        holders.extend(asset.issuer().map(Address::Account));
        Entries::Of(Holdings {
            contracts: vec![self.channel],
            code: vec![self.code.hash()],
            tokens: vec![self.token.id],
            holders,
        })
    }

    /// Refuses a channel at the address whose terms are not those that were asked for. The amount is not compared,
    /// since top-ups and payments change it.
    pub(crate) fn same_terms(&self, state: &ChannelState) -> Result<(), Failure> {
        let terms = &self.terms;
        let same = [
            ("token", state.token == terms.token),
            ("funder", state.from == terms.from),
            ("recipient", state.to == terms.to),
            ("commitment key", state.commitment_key == terms.commitment_key.to_bytes()),
            ("waiting period", state.refund_waiting_period == terms.refund_waiting_period),
            ("code", state.wasm_hash == self.code.hash()),
        ];
        let other: Vec<_> = same.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
        if !other.is_empty() {
            bail!(
                Kind::Refused,
                "there is a channel at {} already, with another {}; look at it with paychan inspect, or leave out --salt to \
                 open a new one",
                self.channel,
                other.join(", ")
            );
        }
        Ok(())
    }

    pub(crate) fn opened(
        &self,
        already_open: bool,
        state: &ChannelState,
        upload: Option<Receipt>,
        open: Option<Receipt>,
    ) -> Opened {
        let deposited = state.deposited.unwrap_or_else(|| state.coverage());
        Opened {
            channel: self.channel,
            already_open,
            token: state.token,
            from: state.from,
            to: state.to,
            commitment_key: hex::encode(state.commitment_key),
            refund_waiting_period: state.refund_waiting_period,
            deposited,
            wasm_hash: state.wasm_hash,
            salt: self.salt.to_string(),
            upload,
            open,
            shown_deposit: self.token.show(deposited),
        }
    }
}
