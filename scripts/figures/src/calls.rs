//! What each call of a channel contract costs, over two channels' lives.

use paychan_channel::calls;
use serde::Serialize;

use crate::earlier;
use crate::stage::{Cost, Stage, WAITING_PERIOD, amount};

/// One contract, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Calls {
    pub(crate) wasm_bytes: usize,
    pub(crate) rows: Vec<(&'static str, Cost)>,
    /// Instructions on the host of protocol 25.
    pub(crate) on_protocol_25: Vec<(&'static str, u64)>,
}

impl Calls {
    /// What a call cost.
    pub(crate) fn get(&self, name: &str) -> Option<Cost> {
        let row = self.rows.iter().find(|(row, _)| *row == name)?;
        Some(row.1)
    }
}

/// Opens, tops up, settles twice, starts a close and refunds one channel; opens and closes another. `settle` and `close`
/// are called by the recipient, who has to authorize them in the reference contract.
pub(crate) async fn measure(stage: &Stage, wasm: &[u8]) -> Calls {
    let (funder, recipient) = (&stage.funder.secret, &stage.recipient.secret);
    let (code, upload) = stage.upload(wasm).await;
    let mut rows = vec![("upload", upload)];

    let (channel, open) = stage.open(&code, 1).await;
    rows.push(("open", open));
    let top_up = calls::top_up(&channel, amount(100_000_000));
    rows.push(("top_up", stage.run(funder, top_up).await));
    for (name, total) in [("settle, first", 100_000_000), ("settle", 200_000_000)] {
        let (total, signature) = stage.sign(&channel, total);
        let settle = calls::settle(&channel, total, &signature);
        rows.push((name, stage.run(recipient, settle).await));
    }

    let (other, _) = stage.open(&code, 2).await;
    let (total, signature) = stage.sign(&other, 300_000_000);
    let close = calls::close(&other, total, &signature);
    rows.push(("close", stage.run(recipient, close).await));

    let close_start = calls::close_start(&channel);
    rows.push(("close_start", stage.run(funder, close_start).await));
    stage.network.jump(WAITING_PERIOD).await;
    rows.push(("refund", stage.run(funder, calls::refund(&channel)).await));
    Calls { wasm_bytes: wasm.len(), rows, on_protocol_25: earlier::measure(wasm) }
}
