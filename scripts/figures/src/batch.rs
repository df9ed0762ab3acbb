//! How many channels of one recipient and one token a transaction settles, and what each then costs.

use paychan_channel::calls::{self, Settlement};
use paychan_channel::{ContractId, xdr::ScVal};
use paychan_rpc::submit::SubmitError;
use paychan_tests::programs::batch_wasm;
use serde::Serialize;

use crate::stage::{Cost, Stage};

/// More channels than any of the network's limits allows.
const CHANNELS: u8 = 70;

/// What settling at once costs.
#[derive(Debug, Serialize)]
pub(crate) struct Batch {
    pub(crate) asset: &'static str,
    pub(crate) batch_wasm_bytes: usize,
    /// One channel, settled on its own by somebody who only pays the fee.
    pub(crate) single: Cost,
    /// Some sizes, and what the whole transaction cost.
    pub(crate) sizes: Vec<(usize, Cost)>,
    /// The most channels that worked.
    pub(crate) most: usize,
    /// Why one more did not.
    pub(crate) then: String,
}

impl Batch {
    /// A size's cost per channel, in stroops without rent, rounded up.
    pub(crate) fn per_channel(&self, size: usize) -> Option<i64> {
        let (channels, cost) = self.sizes.iter().find(|(channels, _)| *channels == size)?;
        let channels = i64::try_from(*channels).ok()?;
        Some(cost.fee.checked_add(channels - 1)? / channels)
    }

    /// The bid for inclusion from which on a batch of `size` costs at most half of a single settlement each.
    ///
    /// With a bid b, a single costs f + b and each of n at once F/n + b/n. Half: 2 (F + b) ≤ n (f + b), so
    /// b ≥ (2 F − n f) / (n − 2).
    pub(crate) fn half_price_bid(&self, size: usize) -> Option<i64> {
        let (channels, cost) = self.sizes.iter().find(|(channels, _)| *channels == size)?;
        let channels = i64::try_from(*channels).ok().filter(|channels| *channels > 2)?;
        let missing = cost.fee.checked_mul(2)?.checked_sub(channels.checked_mul(self.single.fee)?)?;
        Some(missing.max(0).checked_add(channels - 3)? / (channels - 2))
    }
}

/// Settles 1, 10, 30 and then ever more channels in one transaction, until the network refuses.
pub(crate) async fn measure(stage: &Stage, wasm: &[u8]) -> Batch {
    let batch_wasm = std::fs::read(batch_wasm()).expect("the batch contract's Wasm can be read");
    let (code, _) = stage.upload(wasm).await;
    let (batch_code, _) = stage.upload(&batch_wasm).await;
    let salt = [0; 32];
    let (deployer, batch) = stage.deployed(salt);
    let create = calls::create_plain(&deployer, salt, &batch_code);
    stage.run(&stage.funder.secret, create).await;
    let mut channels = Vec::new();
    for number in 1..=CHANNELS {
        channels.push(stage.open(&code, number).await.0);
    }

    let mut round = Round { stage, batch, channels, total: 0 };
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
    Batch { asset: stage.asset.name(), batch_wasm_bytes: batch_wasm.len(), single, sizes, most, then }
}

struct Round<'a> {
    stage: &'a Stage,
    batch: ContractId,
    channels: Vec<ContractId>,
    /// The total that the last round committed to in every channel.
    total: i128,
}

impl Round<'_> {
    /// Settles the first channel on its own.
    async fn single(&mut self) -> Cost {
        self.total += 1_000;
        let channel = &self.channels[0];
        let (amount, signature) = self.stage.sign(channel, self.total);
        let settle = calls::settle(channel, amount, &signature);
        self.stage.run(&self.stage.funder.secret, settle).await
    }

    /// Settles the first `size` channels at once, each with a commitment that is not yet settled.
    async fn settle(&mut self, size: usize) -> Result<Cost, SubmitError> {
        self.total += 1_000;
        let settlements: Vec<_> = self.channels[..size]
            .iter()
            .map(|channel| {
                let (amount, signature) = self.stage.sign(channel, self.total);
                Settlement { channel: *channel, amount, signature }
            })
            .collect();
        let call = calls::settle_many(&self.batch, &settlements);
        let (cost, submitted) = self.stage.try_run(&self.stage.funder.secret, call).await?;
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
