//! Tests one transaction that settles many channels, on a network with real footprints, limits and fees.

use paychan_channel::calls::{self, OpenTerms, Settlement};
use paychan_channel::xdr::{LedgerBounds, ScVal, TransactionEnvelope};
use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId, NetworkId, WasmHash};
use paychan_rpc::submit::{Call, SubmitError, Submitted};
use paychan_rpc::{Draft, ExtraWrites, SecretKey, TransactionAnswer, assemble, operations, read_account, sign};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::{batch_wasm, contract_wasm};

/// The deposit of each channel, in base units.
const DEPOSIT: i128 = 10_000_000;

/// Channels with the same funder, recipient and token, and the batch contract.
struct Channels {
    env: TestEnv,
    id: NetworkId,
    batch: ContractId,
    channels: Vec<ContractId>,
    secret: CommitmentSecret,
}

impl Channels {
    async fn open(count: u8) -> Self {
        let env = TestEnv::new(NetworkOptions::default()).await;
        let id = env.network.id();
        let deployer = env.funder.address();
        let secret = CommitmentSecret::generate().expect("the system has randomness");
        let salt = |number: u8| [number; 32];
        let mut set = Self { batch: calls::channel_id(&id, &deployer, salt(0)), env, id, channels: Vec::new(), secret };
        let code = set.upload(contract_wasm()).await;
        let batch_code = set.upload(batch_wasm()).await;
        set.as_funder(calls::create_plain(&deployer, salt(0), &batch_code)).await;
        let terms = OpenTerms {
            token: set.env.usdc.contract,
            from: deployer,
            commitment_key: set.secret.public(),
            to: set.env.recipient.address(),
            amount: Amount::new(DEPOSIT).expect("not negative"),
            refund_waiting_period: 100,
        };
        for number in 1..=count {
            set.as_funder(calls::create(&deployer, salt(number), &code, &terms)).await;
            set.channels.push(calls::channel_id(&id, &deployer, salt(number)));
        }
        set
    }

    async fn upload(&self, path: std::path::PathBuf) -> WasmHash {
        let wasm = std::fs::read(path).expect("the Wasm can be read");
        let hash = WasmHash::of(&wasm);
        self.as_funder(calls::upload(wasm).expect("small enough")).await;
        hash
    }

    async fn call(
        &self,
        source: &SecretKey,
        function: paychan_channel::xdr::HostFunction,
    ) -> Result<Submitted, SubmitError> {
        self.env
            .network
            .submitter(source, &self.id)
            .call(&Call {
                function,
                operation_source: None,
                channel: None,
                token: None,
                meaning: paychan_rpc::Meaning::of_trusted_endpoint(),
            })
            .await
    }

    async fn as_funder(&self, function: paychan_channel::xdr::HostFunction) {
        self.call(&self.env.funder.secret, function).await.expect("the funder's calls work");
    }

    fn settlement(&self, channel: usize, total: i128) -> Settlement {
        let channel = self.channels[channel];
        let amount = Amount::new(total).expect("not negative");
        let commitment = Commitment { network: self.id, channel, amount };
        Settlement { channel, amount, signature: commitment.sign(&self.secret) }
    }

    /// Builds a batch and signs it as the fee account. Its resources leave room for the entries of `room_for` channels
    /// to grow.
    async fn prepared(&self, settlements: &[Settlement], room_for: u32) -> TransactionEnvelope {
        let client = &self.env.network.client;
        let lane = &self.env.lane.secret;
        let account = read_account(client, &lane.account()).await.expect("the fee account exists");
        let draft = Draft {
            source: account.id,
            sequence: account.sequence + 1,
            operations: vec![operations::invoke(None, calls::settle_many(&self.batch, settlements))],
            ledger_bounds: Some(LedgerBounds { min_ledger: 0, max_ledger: account.read_at.0 + 1_000 }),
            time_bounds: None,
            inclusion_fee: paychan_channel::Stroops(100),
            soroban: None,
        };
        let simulation =
            client.simulate(&draft.build().expect("a draft of one call")).await.expect("the local network answers");
        let simulated = simulation.outcome.expect("the batch simulates");
        let fee = client.get_write_fee_per_kb().await.expect("a setting");
        let room = ExtraWrites::for_channels(room_for, fee).expect("a few channels");
        let mut envelope = assemble(&draft, &simulated, room).expect("a draft of one call").into();
        sign(&mut envelope, &self.id, &[lane]).expect("it can be signed");
        envelope
    }

    /// Sends a transaction and waits until it is in a ledger.
    async fn include(&self, envelope: &TransactionEnvelope) -> TransactionAnswer {
        let client = &self.env.network.client;
        let hash = client.send(envelope).await.expect("it is taken").hash;
        loop {
            match client.get_transaction(&hash).await.expect("an answer") {
                TransactionAnswer::NotFound { .. } => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                decided => return decided,
            }
        }
    }

    async fn withdrawn(&self, channel: usize) -> i128 {
        self.env.read(&self.channels[channel]).await.withdrawn.get()
    }
}

#[tokio::test]
async fn thirty_channels_are_settled_at_once_by_somebody_who_only_pays_the_fee() {
    let set = Channels::open(30).await;
    let mut settlements: Vec<_> = (0..30).map(|channel| set.settlement(channel, 1_000 + channel as i128)).collect();
    settlements[7].signature = settlements[8].signature;

    let submitted = set
        .call(&set.env.lane.secret, calls::settle_many(&set.batch, &settlements))
        .await
        .expect("one transaction is enough for thirty");

    let Some(ScVal::Vec(Some(answers))) = submitted.return_value else {
        panic!("a list, not {:?}", submitted.return_value)
    };
    for (channel, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, ScVal::Bool(channel != 7), "channel {channel}");
        let expected = if channel == 7 { 0 } else { 1_000 + channel as i128 };
        assert_eq!(set.withdrawn(channel).await, expected, "channel {channel}");
    }
    let paid: i128 = (0..30).filter(|n| *n != 7).map(|n| 1_000 + n).sum();
    assert_eq!(set.env.usdc(&set.env.recipient).await.get(), paid);
}

/// The funder announces the close of every channel after the batch was simulated. The deadline then makes each entry
/// larger.
#[tokio::test]
async fn closes_that_start_after_simulation_do_not_stop_a_batch_that_left_room_for_them() {
    let set = Channels::open(2).await;
    let settlements = [set.settlement(0, 500), set.settlement(1, 700)];
    let tight = set.prepared(&settlements, 0).await;
    for channel in &set.channels {
        set.as_funder(calls::close_start(channel)).await;
    }
    let answer = set.include(&tight).await;
    assert!(
        matches!(answer, TransactionAnswer::Failed(_)),
        "without room the declared bytes don't suffice: {answer:?}"
    );

    let set = Channels::open(2).await;
    let settlements = [set.settlement(0, 500), set.settlement(1, 700)];
    let roomy = set.prepared(&settlements, 2).await;
    for channel in &set.channels {
        set.as_funder(calls::close_start(channel)).await;
    }
    let answer = set.include(&roomy).await;
    assert!(matches!(answer, TransactionAnswer::Success(_)), "64 bytes a channel are room enough: {answer:?}");
    assert_eq!(set.withdrawn(0).await, 500);
    assert_eq!(set.withdrawn(1).await, 700);
}
