//! The most that the resources of a transaction may cost, for each purpose.

use paychan_channel::Stroops;

/// Caps of the resource fee, in stroops, for each purpose.
///
/// They are far above what such transactions cost, since the network can vote for higher prices, and far below a
/// harmful fee. On testnet an `open` cost 516,444 stroops, mostly rent for the network's least life of an entry. On the
/// public network that life is 17 times as long, which gives 8,779,548. An upload of 12,274 bytes cost 7,414,934, which
/// gives 126,053,878; restoring or extending that code costs as much rent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceFeeCaps {
    /// A call that restores nothing: settle, close, open, top up, refund.
    pub call: Stroops,
    /// A call that also restores archived entries, which may include code.
    pub restoring_call: Stroops,
    /// An upload of code.
    pub upload: Stroops,
    /// An extension of entries.
    pub extend: Stroops,
    /// A restoration of entries.
    pub restore: Stroops,
}

impl ResourceFeeCaps {
    /// 2 XLM for a call, and 20 XLM for transactions that pay for the life of code.
    pub const USUAL: ResourceFeeCaps = ResourceFeeCaps {
        call: Stroops(20_000_000),
        restoring_call: Stroops(200_000_000),
        upload: Stroops(200_000_000),
        extend: Stroops(200_000_000),
        restore: Stroops(200_000_000),
    };
}

const _: () = assert!(ResourceFeeCaps::USUAL.call.0 > 516_444 * 17 && ResourceFeeCaps::USUAL.upload.0 > 7_414_934 * 17);

impl Default for ResourceFeeCaps {
    fn default() -> ResourceFeeCaps {
        ResourceFeeCaps::USUAL
    }
}
