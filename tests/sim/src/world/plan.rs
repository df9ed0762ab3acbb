//! The properties of a world, which are drawn before it begins.

use fastrand::Rng;

/// The largest world that may be drawn. Shrinking lowers these limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of channels.
    pub channels: u8,
    /// Ledgers before every funder has announced a close.
    pub ledgers: u32,
    /// Kinds of faults that may occur, one bit each (see the module `faults`).
    pub faults: u64,
    /// Whether the process may be stopped.
    pub crashes: bool,
    /// Whether the parts of the watcher may overlap.
    pub overlaps: bool,
    /// Whether a power cut may lose sectors before the end of a file.
    pub holes: bool,
    /// Whether a world may have several recipients, several faulty endpoints and the later kinds of faults.
    pub several: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            channels: 6,
            ledgers: 140,
            faults: u64::MAX,
            crashes: true,
            overlaps: true,
            holes: true,
            several: true,
        }
    }
}

/// The properties of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub channels: u8,
    /// Ledgers before every funder has announced a close.
    pub ledgers: u32,
    /// Whether the watcher holds the recipient's key, so that it may close channels.
    pub holds_recipient_key: bool,
    /// Whether front ends still submit commitments after a funder has announced a close.
    pub races: bool,
    /// How often the process is stopped in a thousand ledgers.
    pub crashes: u32,
    /// How often a new fault begins in a thousand ledgers.
    pub faults: u32,
    /// Which kinds of faults occur.
    pub kinds: u64,
    /// The largest number of requests that front ends send in half a ledger.
    pub busy: u32,
    /// The seconds after which the watcher closes or settles a channel that gets no commitment, if the world has such a
    /// limit.
    pub idle_seconds: Option<u32>,
    /// The lowest inclusion fee while a deadline is near, in stroops. It is less than the smallest amount above dust is
    /// worth.
    pub surge: i64,
    /// The part of the world's ledgers, in hundredths, after which the endpoint no longer says when ledgers closed.
    pub undated_from: Option<u32>,
    /// The part after which the watcher gets no events of closes, and why it gets none.
    pub without_events_from: Option<(u32, NoEvents)>,
    /// Whether the world may have several recipients, several faulty endpoints and the later kinds of faults. In such a
    /// world, the troubles of one channel or recipient also last while another channel is near its deadline.
    pub several: bool,
    /// The number of recipients. The channels take turns.
    pub recipients: u8,
    /// Whether the watcher holds the second recipient's key.
    pub holds_second_key: bool,
    /// The number of endpoints.
    pub endpoints: u32,
    /// The first ones of them, which have the faults. The others answer rightly.
    pub faulty: u32,
    /// Whether the token's issuer may freeze balances and claw them back, and does so.
    pub issuer_acts: bool,
    /// Whether the loops of the watcher and the requests of front ends overlap. In other worlds they come one after the
    /// other.
    pub overlaps: bool,
    /// Whether a power cut may lose sectors before the end of a file.
    pub holes: bool,
    /// The seconds after which the watcher drops a channel through which nothing was paid, if the world has such a limit. A
    /// front end may bring the channel again.
    pub drop_unused_seconds: Option<u32>,
}

/// Why the watcher gets no events of closes, up to the end of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEvents {
    /// The endpoint leaves the events out.
    Hidden,
    /// The endpoint answers no question about events.
    Down,
    /// The endpoint does not say how far it has looked.
    EmptyCursor,
}

impl Plan {
    /// Draws the properties. `later` is for those that were added later, so that the rest of an earlier seed's world stays as
    /// it was, and `latest` for those that were added after these.
    pub(super) fn draw(random: &mut Rng, later: &mut Rng, latest: &mut Rng, limits: Limits) -> Plan {
        // Everything is drawn before it is limited, so that a smaller world is drawn from the same numbers.
        let channels = random.u8(1..=6);
        let ledgers = random.u32(20..=140);
        let crashes = [0, 10, 30, 80][random.usize(..4)];
        let kinds = random.u64(..);
        let overlaps = later.bool();
        let drop_unused_seconds = (later.u32(..5) == 0).then(|| later.u32(5..=40));
        let several = latest.bool();
        let recipients = latest.u8(1..=2);
        let holds_second_key = latest.bool();
        let (endpoints, faulty) = [(1, 1), (1, 1), (2, 2), (3, 1), (3, 2), (5, 2), (5, 3)][latest.usize(..7)];
        let several = several && limits.several;
        let plan = Plan {
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
            several,
            recipients: 1,
            holds_second_key: false,
            endpoints: [1, 1, 3][random.usize(..3)],
            faulty: 1,
            overlaps: overlaps && limits.overlaps,
            holes: limits.holes,
            drop_unused_seconds: drop_unused_seconds.filter(|_| overlaps),
        };
        if several { Plan { recipients, holds_second_key, endpoints, faulty, ..plan } } else { plan }
    }

    /// The recipient of this channel. Recipients are counted from zero, and channels from one.
    pub(crate) fn recipient_of(&self, channel: u8) -> u8 {
        (channel - 1) % self.recipients
    }

    /// The number of endpoints that may be faulty while the others are still a quorum, which is more than half.
    pub(crate) fn tolerated(&self) -> u32 {
        (self.endpoints - 1) / 2
    }
}
