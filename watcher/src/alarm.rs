//! Alarms tell a person what needs attention. Each has a stable name, and only `raise!` raises them.
//!
//! An alarm is a log line of the level ERROR with the field `alarm`. `docs/alarms.md` is made from [`Alarm`].

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Something that endangers a promise, or stops the watcher from giving more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    /// A funder has started to close a channel.
    CloseSeen,
    /// A deadline is near while something is unsettled.
    DeadlineNear,
    /// A channel has ended with commitments unpaid.
    Loss,
    /// A settlement fails.
    SettlementFailing,
    /// Not all closing channels can be settled in time.
    TooManyClosing,
    /// The fee accounts hold too little.
    FeesLow,
    /// A recipient can't be paid what it is owed.
    RecipientCannotBePaid,
    /// An entry that a settlement needs is archived.
    EntryArchived,
    /// An entry that a settlement needs will soon be archived.
    LifeShort,
    /// An issuer has frozen a channel's balance.
    BalanceFrozen,
    /// A channel covers less than what was promised on it.
    CoverageFell,
    /// An issuer has taken rights that the operator does not accept.
    IssuerChanged,
    /// The watcher sees no fresh state of the chain.
    ChainNotVisible,
    /// The watcher does not understand an answer of the chain.
    ChainNotUnderstood,
    /// An endpoint wants something signed that was not asked for, or reported a close that the others deny.
    EndpointNotTrusted,
    /// A waiting period is below the floor.
    WaitingPeriodTooShort,
    /// The store is older than what the chain shows.
    StoreRolledBack,
    /// The store does not work.
    StoreFailed,
    /// The store does not finish what it writes.
    StoreStalled,
    /// A secret can't be read.
    SecretMissing,
    /// The watcher can't listen on the API's address.
    ApiNotListening,
    /// Few file descriptors are left.
    DescriptorsLow,
    /// The operator's commands can't reach the watcher.
    OperatorSocketMissing,
    /// The watcher only settles and takes nothing.
    SettleOnly,
    /// The disk is nearly full.
    DiskLow,
    /// A loop of the watcher makes no progress.
    Hanging,
    /// A part of the watcher panicked.
    Panicked,
    /// The watcher ends because of an error.
    Stopped,
}

/// How often each alarm was raised by this process, in the order of [`Alarm::ALL`].
static RAISED: [AtomicU64; Alarm::ALL.len()] = [const { AtomicU64::new(0) }; Alarm::ALL.len()];

/// What `docs/alarms.md` says about one alarm.
struct Text {
    name: &'static str,
    meaning: &'static str,
    danger: &'static str,
    remedy: &'static str,
}

impl Alarm {
    /// Counts the alarm as raised once more. Only `raise!` calls this.
    pub(crate) fn count(self) {
        if let Some(counter) = self.counter() {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// How often this process has raised the alarm.
    pub fn raised(self) -> u64 {
        self.counter().map_or(0, |counter| counter.load(Relaxed))
    }

    fn counter(self) -> Option<&'static AtomicU64> {
        Self::ALL.iter().position(|alarm| *alarm == self).and_then(|at| RAISED.get(at))
    }

    /// All alarms, in the order of `docs/alarms.md`: the nearest to a loss come first.
    pub const ALL: [Self; 28] = [
        Self::Loss,
        Self::DeadlineNear,
        Self::SettlementFailing,
        Self::TooManyClosing,
        Self::CoverageFell,
        Self::BalanceFrozen,
        Self::CloseSeen,
        Self::ChainNotVisible,
        Self::EntryArchived,
        Self::LifeShort,
        Self::FeesLow,
        Self::RecipientCannotBePaid,
        Self::IssuerChanged,
        Self::ChainNotUnderstood,
        Self::EndpointNotTrusted,
        Self::WaitingPeriodTooShort,
        Self::StoreRolledBack,
        Self::SettleOnly,
        Self::StoreStalled,
        Self::StoreFailed,
        Self::DiskLow,
        Self::DescriptorsLow,
        Self::SecretMissing,
        Self::ApiNotListening,
        Self::OperatorSocketMissing,
        Self::Panicked,
        Self::Hanging,
        Self::Stopped,
    ];

    /// The stable name: the value of the field `alarm` in the log. Programs may rely on it.
    pub const fn name(self) -> &'static str {
        self.text().name
    }

    /// What the alarm means.
    pub const fn meaning(self) -> &'static str {
        self.text().meaning
    }

    /// What may be lost if nobody acts on it.
    pub const fn danger(self) -> &'static str {
        self.text().danger
    }

    /// What the operator should do.
    pub const fn remedy(self) -> &'static str {
        self.text().remedy
    }

    const fn text(self) -> Text {
        match self {
            Self::CloseSeen => Text {
                name: "close_seen",
                meaning: "A funder has started to close a channel. The line names the deadline and the unsettled amount.",
                danger: "From the deadline on, the funder can take back everything that was not settled before.",
                remedy: "Usually nothing: the watcher settles at once. Check that `paychan-watcher status` shows the \
                         settlement soon.",
            },
            Self::DeadlineNear => Text {
                name: "deadline_near",
                meaning: "A channel is closing, something is unsettled, and a third or a tenth of the waiting period is \
                          left, or the deadline has passed. The field `trouble` holds the last error.",
                danger: "The unsettled amount is lost when the funder takes the rest back.",
                remedy: "Act now. Look at the channel in `paychan-watcher status`. Send XLM to the fee account if it is \
                         short, raise `fees.max_inclusion_fee` if bids are too low, use another RPC endpoint if this one \
                         does not answer.",
            },
            Self::Loss => Text {
                name: "loss",
                meaning: "A channel has ended, and not all that was acknowledged was paid out.",
                danger: "The unsettled amount in the line is lost on chain.",
                remedy: "Look for earlier alarms of the same channel to find the cause. Claim the amount from the funder \
                         outside of the channel; the commitment in the journal is the evidence.",
            },
            Self::SettlementFailing => Text {
                name: "settlement_failing",
                meaning: "A settlement can't be built, failed on chain, or is not visible on chain after a success was \
                          reported. The field `why` says which.",
                danger: "The unsettled amount is lost if the cause lasts until the deadline.",
                remedy: "Read `why`. The watcher tries again by itself, at the latest at `again_at`. These causes \
                         need you: a recipient without a trustline, a frozen token, an endpoint that answers wrongly.",
            },
            Self::TooManyClosing => Text {
                name: "too_many_closing",
                meaning: "More channels are closing than the fee account can settle one after the other before their \
                          deadlines.",
                danger: "The channels at the end of the queue are settled too late.",
                remedy: "Settle the channel in the line, and those behind it, by hand from another account.",
            },
            Self::FeesLow => Text {
                name: "fees_low",
                meaning: "The fee accounts can't pay for the settlements that are promised, or a fee account does not exist.",
                danger: "No commitment is taken, and settlements can fail when they are needed.",
                remedy: "Send XLM to the account in the line. `paychan-watcher status` says how much is missing.",
            },
            Self::RecipientCannotBePaid => Text {
                name: "recipient_cannot_be_paid",
                meaning: "The recipient can't be paid what it is owed: its trustline is missing, not authorized, or has too \
                          little room.",
                danger: "Every settlement to this recipient fails.",
                remedy: "Create the trustline or raise its limit, or ask the issuer to authorize it.",
            },
            Self::EntryArchived => Text {
                name: "entry_archived",
                meaning: "A ledger entry that a settlement of the channel needs is archived, and something is unsettled. The \
                          field `entries` names it.",
                danger: "The next settlement restores the entry and pays its rent again. It fails if the fee account can't pay \
                         that rent, or if the rent is more than `fees.max_restoration_fee` or than what is at stake.",
                remedy: "Run `paychan restore CHANNEL` if the rent is more than the channel is worth to the watcher. Check that \
                         the fee account holds enough: the watcher extends lives only with what settlements leave over.",
            },
            Self::LifeShort => Text {
                name: "life_short",
                meaning: "A ledger entry that a settlement of the channel needs has less than half of the life at which the \
                          watcher extends it (`life.floor_ledgers`), and something is unsettled.",
                danger: "The entry is archived after `left` ledgers. Settling costs more then.",
                remedy: "Send XLM to the fee account. Either it has nothing to spare, or the extensions fail; \
                         `paychan-watcher status` says which.",
            },
            Self::BalanceFrozen => Text {
                name: "balance_frozen",
                meaning: "The issuer of a channel's token has frozen the channel's balance.",
                danger: "While this lasts, nothing can be settled on the channel and no commitment is taken on it.",
                remedy: "Ask the issuer. The watcher settles as soon as the balance is free again.",
            },
            Self::CoverageFell => Text {
                name: "coverage_fell",
                meaning: "A channel covers less than its highest commitment: the token's issuer has taken some of its \
                          balance back.",
                danger: "The part of the highest commitment above the coverage can't be paid, and a settlement of the \
                         highest fails.",
                remedy: "Ask the issuer, and the funder for a top-up. Stop selling to this funder. Take the token off the \
                         list if its issuer does this.",
            },
            Self::IssuerChanged => Text {
                name: "issuer_changed",
                meaning: "The issuer of a listed token can now take or freeze balances, and the token's entry in the \
                          configuration does not accept that.",
                danger: "What is unsettled in this token may be taken or frozen. No commitment is taken in it.",
                remedy: "Settle and close the channels in this token, or accept the risk with `issuer_may_claw_back` or \
                         `issuer_may_revoke`.",
            },
            Self::ChainNotVisible => Text {
                name: "chain_not_visible",
                meaning: "The watcher has seen no fresh state of the chain for longer than the freshness limit. The line says \
                          why: the endpoint does not answer, its ledgers are old, or this machine's clock is wrong. The alarm is \
                          repeated, and begins with URGENT when a third of the shortest waiting period may be gone.",
                danger: "A close that starts now is not noticed. No commitment is taken.",
                remedy: "Check the endpoint, the network and the clock of this machine. Use another endpoint.",
            },
            Self::ChainNotUnderstood => Text {
                name: "chain_not_understood",
                meaning: "The endpoint gave an answer that the watcher can't decode or must not believe: it serves another \
                          network, an older history, a newer protocol, or a broken answer.",
                danger: "The watcher does not know what the answer was about. It settles with what it knew before, and takes \
                         no money on it.",
                remedy: "Use another endpoint. If all endpoints give the same answer, update the watcher.",
            },
            Self::EndpointNotTrusted => Text {
                name: "endpoint_not_trusted",
                meaning: "The endpoint's simulation adds something to a transaction that the watcher did not ask for: an \
                          authorization, a ledger entry that the call has nothing to do with, or a fee above the \
                          configured limit. Or one of several endpoints reported a close that more than half of them deny. \
                          The field `why` says what.",
                danger: "The watcher signed nothing. It does not send the transaction while the endpoint or the token asks \
                         for this. A channel with an invented close was settled early, and took nothing meanwhile.",
                remedy: "Use another endpoint. If all endpoints ask for the same fee, the network's prices have risen: raise \
                         the limit in `[fees]`. If they ask for the same entry or authorization, look at the token's \
                         contract.",
            },
            Self::WaitingPeriodTooShort => Text {
                name: "waiting_period_too_short",
                meaning: "The waiting period of a channel, or the configured minimum, is below the floor that start-up \
                          computes.",
                danger: "A settlement of that channel can come too late.",
                remedy: "Raise `minimum_refund_waiting_period`, or lower the terms in `[reaction]` if they are higher than \
                         needed. Close the channel in the line early.",
            },
            Self::StoreRolledBack => Text {
                name: "store_rolled_back",
                meaning: "The store is an older copy: the chain has paid more on a channel than the highest commitment in the \
                          store, or the fee account has used sequence numbers of which the store knows nothing. The second \
                          also follows when the watcher settled while its disk could not be written, or when somebody \
                          else used the fee account while the watcher was down.",
                danger: "Commitments and charges that were acknowledged may be missing. Nothing more is acknowledged on that \
                         channel (in the second case: on any channel) until you confirm. Settling goes on.",
                remedy: "Restore the newest copy of the data directory if there is one. Otherwise run `paychan-watcher \
                         confirm-rollback`.",
            },
            Self::StoreFailed => Text {
                name: "store_failed",
                meaning: "The store can't write or read its files.",
                danger: "No commitment is taken.",
                remedy: "Look at the disk: space, permissions, errors in the kernel log. The line names the file.",
            },
            Self::DescriptorsLow => Text {
                name: "descriptors_low",
                meaning: "The process has few file descriptors left, or its limit is low.",
                danger: "The API takes fewer callers. If descriptors run out, the watcher can't reach its endpoint.",
                remedy: "Raise the limit (`LimitNOFILE=` in the systemd unit, `ulimit -n` elsewhere). If few callers are \
                         connected and the alarm still comes, report the output of `ls -l /proc/PID/fd`.",
            },
            Self::OperatorSocketMissing => Text {
                name: "operator_socket_missing",
                meaning: "The Unix socket of the operator's own commands can't be made.",
                danger: "What is acknowledged is safe. `paychan-watcher status` and the other commands don't reach the \
                         running watcher.",
                remedy: "Set `operator_socket` to a path of at most 100 characters in a directory that the watcher may \
                         write, and restart it.",
            },
            Self::SettleOnly => Text {
                name: "settle_only",
                meaning: "The store can't be written any more, or was damaged when the watcher started. The watcher takes \
                          nothing, and settles what it holds in memory.",
                danger: "The taken commitments are safe while the process runs. If the log says that the journal has \
                         gaps, a higher commitment of the channels that it names may be lost. Commitments are refused.",
                remedy: "Look at the disk: space, permissions, errors in the kernel log. Then stop the watcher, run \
                         `paychan-watcher repair` if the log says that the journal is damaged, and start it again. \
                         `paychan-watcher rescue CHANNEL` prints a command that settles a channel by hand.",
            },
            Self::StoreStalled => Text {
                name: "store_stalled",
                meaning: "The part that writes the journal has been at one write for seconds: the disk does not answer.",
                danger: "Nothing is acknowledged meanwhile. After half a minute the watcher gives up the store and settles from \
                         memory.",
                remedy: "Look at the disk: the kernel log, other programs that load it, a network file system that hangs. \
                         If `settle_only` follows, repair the disk and restart the watcher.",
            },
            Self::SecretMissing => Text {
                name: "secret_missing",
                meaning: "A secret that the configuration names can't be read, and something is unsettled, so the watcher \
                          does not end.",
                danger: "Without the fee account's key (`lane.secret`) nothing is settled. Without a recipient's key, its \
                         channels are settled and not closed; channels whose code needs the recipient's authorization are \
                         not settled. Without the token no caller is served; without the webhook's secret no alarm is sent.",
                remedy: "Put the file back and restart the watcher. `lane.secret` needs no restart: the watcher waits for it.",
            },
            Self::ApiNotListening => Text {
                name: "api_not_listening",
                meaning: "Another program has the address in `listen`, or the address is not this machine's. Something is \
                          unsettled, so the watcher does not end.",
                danger: "What is acknowledged is safe. No caller is served, so no money is taken.",
                remedy: "Free the address (`ss -ltnp` shows who has it): the watcher tries again every 2 seconds. Or set \
                         `listen` to another address and restart the watcher.",
            },
            Self::DiskLow => Text {
                name: "disk_low",
                meaning: "The journal's disk has less free space than `disk.free_mark_mib`. Nothing is taken until there \
                          is more; settlements are still recorded.",
                danger: "When the disk is full, settlements are no longer recorded, and the watcher settles from memory.",
                remedy: "Make room. Never delete anything below `journal`. You may delete `db` while the watcher is down: \
                         the next start rebuilds it.",
            },
            Self::Panicked => Text {
                name: "panicked",
                meaning: "A part of the watcher panicked: the program has a mistake. The field `part` names the part, and the \
                          line before says where in the code.",
                danger: "Nothing is taken until the watcher is restarted, since nobody knows what the part has left undone. What \
                         is held is settled: a settlement that panicked is tried again later.",
                remedy: "Report the log. Restart the watcher. If the alarm comes again and names a channel, settle that channel \
                         by hand: `paychan-watcher rescue CHANNEL` prints the command.",
            },
            Self::Hanging => Text {
                name: "hanging",
                meaning: "A loop of the watcher makes no progress.",
                danger: "While the loop hangs, nothing that depends on it is settled.",
                remedy: "Under systemd the watchdog restarts the watcher. Elsewhere, restart it. Report the log.",
            },
            Self::Stopped => Text {
                name: "stopped",
                meaning: "The watcher ends because of an error. The line and the exit code say which.",
                danger: "While the watcher is down, nothing is watched and nothing is settled.",
                remedy: "Remove the cause and start it again. `paychan-watcher status` shows what is unsettled meanwhile.",
            },
        }
    }
}

/// The text of `docs/alarms.md`.
pub fn document() -> String {
    let mut text = "# Alarms\n\n\
        This page says what the watcher raises alarms about, and what to do. An alarm is a log line of the level ERROR with the \
        field `alarm`; the names below don't change. The alarms that are nearest to a loss come first.\n\n\
        This file is made from `watcher/src/alarm.rs`. To renew it, run `UPDATE_DOCS=1 cargo test -p paychan-watcher \
        alarms`.\n"
        .to_owned();
    for alarm in Alarm::ALL {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "\n## `{}`\n\n{}\n\n- **Danger:** {}\n- **What to do:** {}\n",
            alarm.name(),
            alarm.meaning(),
            alarm.danger(),
            alarm.remedy()
        );
    }
    text
}

/// Raises an alarm. Its name comes first, then fields and a message as in [`tracing::error!`].
macro_rules! raise {
    ($alarm:ident, $($fields:tt)+) => {{
        $crate::alarm::Alarm::$alarm.count();
        ::tracing::error!(alarm = $crate::alarm::Alarm::$alarm.name(), $($fields)+)
    }};
}
pub(crate) use raise;
