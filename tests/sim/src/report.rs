//! Totals of many worlds.

use std::fmt;
use std::ops::AddAssign;

/// What happened in one world, or in many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub worlds: u64,
    /// In how many of these the parts of the watcher overlap.
    pub overlapping: u64,
    pub ledgers: u64,
    pub offers: u64,
    pub acknowledged: u64,
    /// How many of these came after the funder had announced a close on chain.
    pub raced: u64,
    pub charges: u64,
    pub credits: u64,
    pub deadlines: u64,
    /// In how many of these a clawback had left too little for the highest commitment, and enough for a lower one.
    pub clawed_back: u64,
    /// In how many of these the funder had no trustline.
    pub without_trustline: u64,
    /// The dangers that had to raise their alarm.
    pub dangers: u64,
    pub crashes: u64,
    pub faults: u64,
    pub lies: u64,
    pub alarms: u64,
    pub violations: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.worlds += other.worlds;
        self.overlapping += other.overlapping;
        self.ledgers += other.ledgers;
        self.offers += other.offers;
        self.acknowledged += other.acknowledged;
        self.raced += other.raced;
        self.charges += other.charges;
        self.credits += other.credits;
        self.deadlines += other.deadlines;
        self.clawed_back += other.clawed_back;
        self.without_trustline += other.without_trustline;
        self.dangers += other.dangers;
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.lies += other.lies;
        self.alarms += other.alarms;
        self.violations += other.violations;
    }
}

impl Totals {
    fn fields(&self) -> [(&'static str, u64); 17] {
        [
            ("worlds", self.worlds),
            ("  in which parts overlap", self.overlapping),
            ("ledgers", self.ledgers),
            ("offers", self.offers),
            ("acknowledged", self.acknowledged),
            ("  after a close was announced", self.raced),
            ("charges", self.charges),
            ("credits", self.credits),
            ("deadlines judged", self.deadlines),
            ("  with a part clawed back", self.clawed_back),
            ("  while the funder had no trustline", self.without_trustline),
            ("dangers whose alarm was due", self.dangers),
            ("crashes and power cuts", self.crashes),
            ("faults begun", self.faults),
            ("  of these, lies of the endpoint", self.lies),
            ("alarms", self.alarms),
            ("violations", self.violations),
        ]
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.fields() {
            writeln!(f, "  {name:<36}{count:>12}")?;
        }
        Ok(())
    }
}
