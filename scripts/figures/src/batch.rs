//! How many channels of one recipient and one token one transaction can settle, and what each channel costs then.

use paychan_channel::calls::{self, Settlement};
use paychan_channel::{ContractId, xdr::ScVal};
use paychan_rpc::submit::SubmitError;
use paychan_tests::programs::batch_wasm;
use serde::Serialize;

use crate::env::{Cost, TestEnv, WAITING_PERIOD};

/// The number of channels that this opens. The network's limits do not allow as many in one transaction.
const CHANNELS: u8 = 70;

/// What it costs to settle many channels at once.
#[derive(Debug, Serialize)]
pub(crate) struct Batch {
    pub(crate) asset: &'static str,
    pub(crate) batch_wasm_bytes: usize,
    /// The cost of settling one channel alone, called by somebody who only pays the fee.
    pub(crate) single: Cost,
    /// Some sizes, and the cost of the whole transaction for each.
    pub(crate) sizes: Vec<(usize, Cost)>,
    /// The largest number of channels that one transaction settled.
    pub(crate) most: usize,
    /// Why the network refused a batch of one channel more.
    pub(crate) then: String,
}

impl Batch {
    /// The fee per channel in a batch of this size, in stroops without rent, rounded up.
    pub(crate) fn per_channel(&self, size: usize) -> Option<i64> {
        let (channels, cost) = self.sizes.iter().find(|(channels, _)| *channels == size)?;
        let channels = i64::try_from(*channels).ok()?;
        Some(cost.fee.checked_add(channels - 1)? / channels)
    }

    /// The smallest bid for inclusion, in stroops, with which each channel in a batch of this size costs at most half of a
    /// single settlement.
    ///
    /// With a bid b, a single settlement costs f + b, and each of n in a batch costs (F + b) / n. It is at most half where
    /// 2 (F + b) ≤ n (f + b), which is b ≥ (2 F − n f) / (n − 2).
    pub(crate) fn half_price_bid(&self, size: usize) -> Option<i64> {
        let (channels, cost) = self.sizes.iter().find(|(channels, _)| *channels == size)?;
        let channels = i64::try_from(*channels).ok().filter(|channels| *channels > 2)?;
        let missing = cost.fee.checked_mul(2)?.checked_sub(channels.checked_mul(self.single.fee)?)?;
        Some(missing.max(0).checked_add(channels - 3)? / (channels - 2))
    }
}

/// Settles 1, 10 and 30 channels in one transaction each, and then one more each time until the network refuses.
pub(crate) async fn measure(env: &TestEnv, wasm: &[u8]) -> Batch {
    let batch_wasm = std::fs::read(batch_wasm()).expect("the batch contract's Wasm can be read");
    let (code, _) = env.upload(wasm).await;
    let (batch_code, _) = env.upload(&batch_wasm).await;
    let salt = [0; 32];
    let (deployer, batch) = env.deployed(salt);
    let create = calls::create_plain(&deployer, salt, &batch_code);
    env.run(&env.funder.secret, create).await;
    let mut channels = Vec::new();
    for number in 1..=CHANNELS {
        channels.push(env.open(&code, number, WAITING_PERIOD).await.0);
    }

    let mut round = Round { env, batch, channels, total: 0 };
    let single = round.single().await;
    let mut sizes = Vec::new();
    for size in [1, 10, 30] {
        match round.settle(size).await {
            Ok(cost) => sizes.push((size, cost)),
            Err(error) => panic!("{size} channels can't be settled at once: {error}"),
        }
    }
    let (mut most, mut then) = (30, String::new());
    for size in 31..=round.channels.len() {
        match round.settle(size).await {
            Ok(cost) => {
                most = size;
                sizes.retain(|(size, _)| *size <= 30);
                sizes.push((size, cost));
            }
            Err(error) => {
                then = error.to_string();
                break;
            }
        }
    }
    Batch { asset: env.asset.name(), batch_wasm_bytes: batch_wasm.len(), single, sizes, most, then }
}

struct Round<'a> {
    env: &'a TestEnv,
    batch: ContractId,
    channels: Vec<ContractId>,
    /// The total of the last round's commitments, in base units.
    total: i128,
}

impl Round<'_> {
    /// Settles the first channel alone.
    async fn single(&mut self) -> Cost {
        self.total += 1_000;
        let channel = &self.channels[0];
        let (amount, signature) = self.env.sign(channel, self.total);
        let settle = calls::settle(channel, amount, &signature);
        self.env.run(&self.env.funder.secret, settle).await
    }

    /// Settles the first `size` channels at once, each with a commitment that was not settled before.
    async fn settle(&mut self, size: usize) -> Result<Cost, SubmitError> {
        self.total += 1_000;
        let settlements: Vec<_> = self.channels[..size]
            .iter()
            .map(|channel| {
                let (amount, signature) = self.env.sign(channel, self.total);
                Settlement { channel: *channel, amount, signature }
            })
            .collect();
        let call = calls::settle_many(&self.batch, &settlements);
        let (cost, submitted) = self.env.try_run(&self.env.funder.secret, call).await?;
        let Some(ScVal::Vec(Some(answers))) = &submitted.return_value else {
            panic!("settle_many answers a list, not {:?}", submitted.return_value);
        };
        assert!(
            answers.len() == size && answers.iter().all(|answer| *answer == ScVal::Bool(true)),
            "a channel of a batch was not settled: {answers:?}"
        );
        Ok(cost)
    }
}
