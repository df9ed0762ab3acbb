//! What is drawn for a world before it begins.

use fastrand::Rng;

/// The largest world that may be drawn: what shrinking makes smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Channels at most.
    pub channels: u8,
    /// Ledgers before every funder has announced a close.
    pub ledgers: u32,
    /// Kinds of faults that may occur, one bit each (see the module `faults`).
    pub faults: u64,
    /// Whether the process may be stopped.
    pub crashes: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { channels: 6, ledgers: 140, faults: u64::MAX, crashes: true }
    }
}

/// What a world is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub channels: u8,
    /// Ledgers before every funder has announced a close.
    pub ledgers: u32,
    /// Whether the watcher holds the recipient's key, and so may close.
    pub holds_recipient_key: bool,
    /// Funders announce a close while front ends go on handing in commitments.
    pub races: bool,
    /// In a thousand ledgers, how often the process is stopped.
    pub crashes: u32,
    /// In a thousand ledgers, how often a new fault begins.
    pub faults: u32,
    /// Which kinds of faults occur.
    pub kinds: u64,
    /// What front ends ask for in one ledger, at most.
    pub busy: u32,
    /// Seconds after which a channel without a commitment is closed or settled, if that is soon.
    pub idle_seconds: Option<u32>,
    /// What has to be bid for inclusion while a deadline is near: below what the smallest amount above dust is worth.
    pub surge: i64,
    /// Of the ledgers of this world, so many hundredths go by before the endpoint says no more when ledgers closed.
    pub undated_from: Option<u32>,
    /// The same for the events of closes.
    pub without_events_from: Option<(u32, NoEvents)>,
    /// The issuer may freeze balances and take them back, and does.
    pub issuer_acts: bool,
}

/// How closes are not told by events, up to the end of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEvents {
    /// The endpoint leaves them out.
    Hidden,
    /// It answers no question about events.
    Down,
    /// It does not say how far it has looked.
    EmptyCursor,
}

impl Plan {
    pub(super) fn draw(random: &mut Rng, limits: Limits) -> Plan {
        // Everything is drawn before it is limited, so that a smaller world is drawn from the same numbers.
        let channels = random.u8(1..=6);
        let ledgers = random.u32(20..=140);
        let crashes = [0, 10, 30, 80][random.usize(..4)];
        let kinds = random.u64(..);
        Plan {
            channels: channels.min(limits.channels),
            ledgers: ledgers.min(limits.ledgers),
            holds_recipient_key: random.bool(),
            races: random.u32(..3) == 0,
            crashes: if limits.crashes { crashes } else { 0 },
            faults: [0, 50, 150, 400][random.usize(..4)],
            kinds: kinds & limits.faults,
            busy: random.u32(1..=4),
            idle_seconds: (random.u32(..4) == 0).then(|| random.u32(10..=60)),
            surge: [0, 0, 20_000, 250_000][random.usize(..4)],
            undated_from: (random.u32(..8) == 0).then(|| random.u32(..100)),
            without_events_from: (random.u32(..5) == 0).then(|| {
                (random.u32(..100), [NoEvents::Hidden, NoEvents::Down, NoEvents::EmptyCursor][random.usize(..3)])
            }),
            issuer_acts: random.u32(..6) == 0,
        }
    }
}
