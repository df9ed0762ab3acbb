//! The same calls on the host of protocol 25, in instructions.
//!
//! On the host of protocol 28, a module that is in the cache costs little to load. On this one each call pays for each
//! byte of the module, which is half of what a call costs. The goals for instructions were set for this host.
//!
//! A map of entries takes the place of a ledger, because simulation needs no more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId as Channel, NetworkId};
use soroban_env_host_25::budget::Budget;
use soroban_env_host_25::e2e_invoke::{RecordingInvocationAuthMode, invoke_host_function_in_recording_mode};
use soroban_env_host_25::storage::{EntryWithLiveUntil, SnapshotSource};
use soroban_env_host_25::xdr::*;
use soroban_env_host_25::{HostError, LedgerInfo};

use crate::env::{DEPOSIT, WAITING_PERIOD};

const PASSPHRASE: &str = "paychan figures, protocol 25";
/// The first byte of an account's id.
const FUNDER: u8 = 1;
const RECIPIENT: u8 = 2;

#[derive(Default)]
struct Entries(RefCell<BTreeMap<LedgerKey, (LedgerEntry, Option<u32>)>>);

impl SnapshotSource for Entries {
    fn get(&self, key: &Rc<LedgerKey>) -> Result<Option<EntryWithLiveUntil>, HostError> {
        let entries = self.0.borrow();
        let found = entries.get(key.as_ref());
        Ok(found.map(|(entry, life)| (Rc::new(entry.clone()), *life)))
    }
}

struct Host {
    entries: Rc<Entries>,
    ledger: u32,
    network: NetworkId,
}

/// The instructions of each call, without the margin that a simulation adds.
pub(crate) fn measure(wasm: &[u8]) -> Vec<(&'static str, u64)> {
    let mut host = Host { entries: Rc::new(Entries::default()), ledger: 100, network: NetworkId::of(PASSPHRASE) };
    for name in [FUNDER, RECIPIENT] {
        host.add_account(name);
    }
    let token = host.create(HostFunction::CreateContract(CreateContractArgs {
        contract_id_preimage: ContractIdPreimage::Asset(Asset::Native),
        executable: ContractExecutable::StellarAsset,
    }));
    let code = wasm.to_vec().try_into().expect("contracts are small");
    let (hash, _) = host.run(FUNDER, HostFunction::UploadContractWasm(code));
    let ScVal::Bytes(hash) = hash else { panic!("an upload answers a hash, not {hash:?}") };
    let hash = Hash(hash.as_slice().try_into().expect("a hash has 32 bytes"));
    let secret = CommitmentSecret::generate().expect("the system has randomness");
    let open = |salt: u8| {
        let args = vec![
            ScVal::Address(ScAddress::Contract(token.clone())),
            ScVal::Address(address(FUNDER)),
            bytes(&secret.public().to_bytes()),
            ScVal::Address(address(RECIPIENT)),
            ScVal::from(DEPOSIT),
            ScVal::U32(WAITING_PERIOD),
        ];
        HostFunction::CreateContractV2(CreateContractArgsV2 {
            contract_id_preimage: ContractIdPreimage::Address(ContractIdPreimageFromAddress {
                address: address(FUNDER),
                salt: Uint256([salt; 32]),
            }),
            executable: ContractExecutable::Wasm(hash.clone()),
            constructor_args: args.try_into().expect("six arguments"),
        })
    };
    let sign = |host: &Host, channel: &ContractId, total: i128| {
        let commitment = Commitment {
            network: host.network,
            channel: Channel(channel.0.0),
            amount: Amount::new(total).expect("not negative"),
        };
        vec![ScVal::from(total), bytes(&commitment.sign(&secret).0)]
    };

    let mut rows = Vec::new();
    let channel = host.create(open(1));
    let other = host.create(open(2));
    let top_up = vec![ScVal::from(100_000_000_i128)];
    rows.push(("top_up", host.call(FUNDER, &channel, "top_up", top_up)));
    for (name, total) in [("settle, first", 100_000_000), ("settle", 200_000_000)] {
        let args = sign(&host, &channel, total);
        rows.push((name, host.call(RECIPIENT, &channel, "settle", args)));
    }
    let args = sign(&host, &other, 300_000_000);
    rows.push(("close", host.call(RECIPIENT, &other, "close", args)));
    let close_start = host.call(FUNDER, &channel, "close_start", Vec::new());
    rows.push(("close_start", close_start));
    host.ledger += WAITING_PERIOD;
    rows.push(("refund", host.call(FUNDER, &channel, "refund", Vec::new())));
    rows
}

impl Host {
    fn add_account(&self, name: u8) {
        let entry = LedgerEntry {
            last_modified_ledger_seq: 1,
            data: LedgerEntryData::Account(AccountEntry {
                account_id: account(name),
                balance: 1_000_000_000_000,
                seq_num: SequenceNumber(1),
                num_sub_entries: 0,
                inflation_dest: None,
                flags: 0,
                home_domain: String32::default(),
                thresholds: Thresholds([1, 0, 0, 0]),
                signers: VecM::default(),
                ext: AccountEntryExt::V0,
            }),
            ext: LedgerEntryExt::V0,
        };
        let key = LedgerKey::Account(LedgerKeyAccount { account_id: account(name) });
        self.entries.0.borrow_mut().insert(key, (entry, None));
    }

    fn create(&mut self, function: HostFunction) -> ContractId {
        match self.run(FUNDER, function).0 {
            ScVal::Address(ScAddress::Contract(contract)) => contract,
            other => panic!("a creation answers an address, not {other:?}"),
        }
    }

    fn call(&mut self, source: u8, to: &ContractId, function: &str, args: Vec<ScVal>) -> u64 {
        let call = HostFunction::InvokeContract(InvokeContractArgs {
            contract_address: ScAddress::Contract(to.clone()),
            function_name: function.try_into().expect("a function's name is short"),
            args: args.try_into().expect("a handful of arguments"),
        });
        self.run(source, call).1
    }

    /// Simulates a call on the entries and writes its changes into them. Answers its result and its instructions.
    fn run(&mut self, source: u8, function: HostFunction) -> (ScVal, u64) {
        let budget = Budget::default();
        let info = LedgerInfo {
            protocol_version: 25,
            sequence_number: self.ledger,
            timestamp: 1_000,
            network_id: self.network.0,
            base_reserve: 5_000_000,
            min_temp_entry_ttl: 720,
            min_persistent_entry_ttl: 120_960,
            max_entry_ttl: 3_110_400,
        };
        let result = invoke_host_function_in_recording_mode(
            &budget,
            false,
            &function,
            &account(source),
            RecordingInvocationAuthMode::Recording(true),
            info,
            Rc::clone(&self.entries) as Rc<dyn SnapshotSource>,
            [0; 32],
            &mut Vec::new(),
        )
        .expect("the host takes a call of this program");
        let value = result.invoke_result.expect("a call that this measures works");
        for change in result.ledger_changes {
            let Some(new) = change.encoded_new_value.filter(|_| !change.read_only) else {
                continue;
            };
            let key = LedgerKey::from_xdr(&change.encoded_key, Limits::none()).expect("the host encodes keys");
            let entry = LedgerEntry::from_xdr(&new, Limits::none()).expect("the host encodes entries");
            let life = change.ttl_change.map(|life| life.new_live_until_ledger);
            self.entries.0.borrow_mut().insert(key, (entry, life));
        }
        self.ledger += 1;
        let instructions = budget.get_cpu_insns_consumed().expect("the budget counts");
        (value, instructions)
    }
}

fn account(name: u8) -> AccountId {
    AccountId(PublicKey::PublicKeyTypeEd25519(Uint256([name; 32])))
}

fn address(name: u8) -> ScAddress {
    ScAddress::Account(account(name))
}

fn bytes(bytes: &[u8]) -> ScVal {
    ScVal::Bytes(ScBytes(bytes.to_vec().try_into().expect("a few bytes")))
}
