//! The kinds of faults that a world may have.

/// A kind of fault. Its place in [`KINDS`] is its bit in [`super::Plan::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Down,
    Lag,
    OldEntries,
    Frozen,
    HideEvents,
    EventsDown,
    EmptyCursor,
    CursorRefused,
    LoseSends,
    TryAgainLater,
    Market,
    Entrance,
    Hang,
    FarHead,
    Undated,
    SettingsGarbled,
    SettingsAbsurd,
    Garbled,
    GarbledOutcomes,
    RecipientsDown,
    LaneDry,
    SequenceUsed,
    ClockJump,
    DiskFull,
    Archived,
    CloseFails,
    CallsLiveArchived,
    FarEntries,
    FarEvents,
    OtherNetwork,
    Busy,
    GarbledHead,
    Slow,
    LostHistory,
    WrongDate,
    FullLedgers,
    ClockBack,
    BalanceFrozen,
    RecipientFrozen,
    ClawedBack,
    /// The recipient's trustline has little room left.
    LittleRoom,
    /// A transaction is sent to a node that does not have it in its queue and asks for a high fee.
    OtherNode,
    /// The funder of all channels has removed its trustline: it can neither pay nor be paid. No recipient may lose by that, so it
    /// excuses the watcher from nothing.
    FunderWithoutTrustline,
}

/// All kinds. Every world draws from the first [`EARLY`] ones. Worlds with [`super::Plan::several`] draw from the [`LATE`] ones
/// too, and so they draw those of the issuer more often.
pub(super) const KINDS: [Kind; 43] = [
    Kind::Down,
    Kind::Lag,
    Kind::OldEntries,
    Kind::Frozen,
    Kind::HideEvents,
    Kind::EventsDown,
    Kind::EmptyCursor,
    Kind::CursorRefused,
    Kind::LoseSends,
    Kind::TryAgainLater,
    Kind::Market,
    Kind::Entrance,
    Kind::Hang,
    Kind::FarHead,
    Kind::Undated,
    Kind::SettingsGarbled,
    Kind::SettingsAbsurd,
    Kind::Garbled,
    Kind::GarbledOutcomes,
    Kind::RecipientsDown,
    Kind::LaneDry,
    Kind::SequenceUsed,
    Kind::ClockJump,
    Kind::DiskFull,
    Kind::Archived,
    Kind::CloseFails,
    Kind::CallsLiveArchived,
    Kind::FarEntries,
    Kind::FarEvents,
    Kind::OtherNetwork,
    Kind::Busy,
    Kind::GarbledHead,
    Kind::Slow,
    Kind::LostHistory,
    Kind::WrongDate,
    Kind::FullLedgers,
    Kind::ClockBack,
    Kind::BalanceFrozen,
    Kind::RecipientFrozen,
    Kind::ClawedBack,
    Kind::LittleRoom,
    Kind::OtherNode,
    Kind::FunderWithoutTrustline,
];

pub(super) const EARLY: usize = 40;
pub(super) const LATE: std::ops::Range<usize> = 37..43;

impl Kind {
    /// Whether the token's issuer causes it.
    pub(super) fn is_of_the_issuer(self) -> bool {
        matches!(self, Kind::BalanceFrozen | Kind::RecipientFrozen | Kind::ClawedBack)
    }

    /// Whether one endpoint has the fault, so that other endpoints may answer rightly.
    pub(super) fn is_of_the_endpoint(self) -> bool {
        matches!(
            self,
            Kind::Down
                | Kind::Lag
                | Kind::OldEntries
                | Kind::Frozen
                | Kind::HideEvents
                | Kind::EventsDown
                | Kind::EmptyCursor
                | Kind::CursorRefused
                | Kind::LoseSends
                | Kind::TryAgainLater
                | Kind::FarHead
                | Kind::Undated
                | Kind::SettingsGarbled
                | Kind::SettingsAbsurd
                | Kind::Garbled
                | Kind::GarbledOutcomes
                | Kind::RecipientsDown
                | Kind::CallsLiveArchived
                | Kind::FarEntries
                | Kind::FarEvents
                | Kind::OtherNetwork
                | Kind::Busy
                | Kind::GarbledHead
                | Kind::LostHistory
                | Kind::WrongDate
                | Kind::OtherNode
        )
    }

    /// Whether the answers of the endpoint are wrong, and not only late or missing.
    pub(super) fn is_a_lie(self) -> bool {
        matches!(
            self,
            Kind::FarHead
                | Kind::OldEntries
                | Kind::HideEvents
                | Kind::SettingsAbsurd
                | Kind::CallsLiveArchived
                | Kind::FarEntries
                | Kind::FarEvents
                | Kind::WrongDate
                | Kind::OtherNetwork
        )
    }

    /// Whether the process can still read channels, because the fault is about events, dates, fees or its own
    /// transactions alone.
    pub(super) fn leaves_entries_alone(self) -> bool {
        matches!(
            self,
            Kind::HideEvents
                | Kind::EventsDown
                | Kind::EmptyCursor
                | Kind::CursorRefused
                | Kind::LoseSends
                | Kind::TryAgainLater
                | Kind::Market
                | Kind::Entrance
                | Kind::FullLedgers
                | Kind::Undated
                | Kind::SettingsGarbled
                | Kind::SettingsAbsurd
                | Kind::GarbledOutcomes
                | Kind::RecipientsDown
                | Kind::LaneDry
                | Kind::SequenceUsed
                | Kind::CloseFails
                | Kind::LostHistory
                | Kind::DiskFull
                | Kind::Archived
                | Kind::CallsLiveArchived
                | Kind::BalanceFrozen
                | Kind::RecipientFrozen
                | Kind::ClawedBack
                | Kind::LittleRoom
                | Kind::OtherNode
                | Kind::FunderWithoutTrustline
        )
    }
}
