//! The most that the resources of a transaction may cost, for each purpose.

use paychan_channel::Stroops;

/// Caps of the resource fee, in stroops, for each purpose.
///
/// They are far above what such transactions cost, since prices are the network's to vote on, and far below what would
/// hurt. On testnet an `open` took 516,444 stroops, most of it rent for the network's least life of an entry; the public
/// network's is 17 times as long, which makes 8,779,548. An upload of 12,274 bytes took 7,414,934, which makes
/// 126,053,878; restoring or extending that code costs as much rent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceFeeCaps {
    /// A call that restores nothing: settle, close, open, top up, refund.
    pub call: Stroops,
    /// A call that restores archived entries on the way, code among them.
    pub restoring_call: Stroops,
    /// An upload of code.
    pub upload: Stroops,
    /// An extension of entries.
    pub extend: Stroops,
    /// A restoration of entries.
    pub restore: Stroops,
}

impl ResourceFeeCaps {
    /// 2 XLM for a call, 20 XLM for what pays for the life of code.
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
