//! Derives the shortest waiting period that a channel may have.
//!
//! Everything is counted in ledgers, and no constant says how long a ledger takes. Only the poll interval is measured
//! in time; it is converted to ledgers with the target close time of the network's settings.

use std::fmt;

/// The terms of the reaction time, each with its letter in the formula T = s + p + g + k(b + g) + q.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// s: how long a sweep of all channels' entries takes.
    pub sweep: u32,
    /// p: the poll interval. See [`poll_ledgers`].
    pub poll: u32,
    /// g: how far a node may lag behind the network.
    pub node_lag: u32,
    /// k: attempts at a settlement that are allowed for.
    pub attempts: u32,
    /// b: the bounds of a transaction, in ledgers from building it until it can no longer be included.
    pub bounds: u32,
    /// S: the interval between sweeps. It bounds detection, since a missing event proves nothing.
    pub sweep_interval: u32,
    /// The terms of q.
    pub queue: Queue,
}

/// The settlements that wait when all channels close at once: q = ⌈channels / (lanes × channels per transaction)⌉ ×
/// ledgers to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The channels that may close at once, which are all watched ones.
    pub channels: u32,
    /// The accounts that send at the same time.
    pub lanes: u32,
    /// Channels that one transaction settles.
    pub channels_per_transaction: u32,
    /// Ledgers from sending a transaction until its inclusion is known.
    pub confirm: u32,
}

/// The floor and its terms. Its `Display` is the table that a start prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The terms from which it was computed.
    pub terms: Terms,
    /// q: the ledgers until the last channel is settled, when all close at once.
    pub queue: u32,
    /// T: the ledgers from a close until the settlement is on chain, at worst.
    pub reaction: u32,
    /// W = max(3T, S + T) + 1: the shortest waiting period that is accepted.
    pub waiting_period: u32,
}

/// Why there is no floor, or why a setting contradicts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FloorError {
    /// A divisor is zero.
    #[error("{term} is 0; at least 1 is needed")]
    Zero {
        /// The term's name.
        term: &'static str,
    },
    /// The sum does not fit a ledger number.
    #[error("the reaction terms add up to more than 4,294,967,295 ledgers; lower them")]
    TooLong,
    /// The configured minimum is below the floor.
    #[error(
        "minimum_refund_waiting_period is {configured} ledgers, below the floor of {floor} that the reaction terms give; \
         raise it to at least {floor}, or lower the terms"
    )]
    MinimumTooLow {
        /// The configured value.
        configured: u32,
        /// W.
        floor: u32,
    },
    /// F is above W/3.
    #[error(
        "fresh.ledgers is {configured}, above {limit}, a third of the floor of {floor} ledgers; lower it: a channel's \
         close must be seen while two thirds of the wait are left"
    )]
    FreshnessTooLong {
        /// The configured value.
        configured: u32,
        /// W/3.
        limit: u32,
        /// W.
        floor: u32,
    },
}

/// p in ledgers: how many ledgers may close between two polls, at least 1.
///
/// `target_close_ms` is the network's own setting (`CONFIG_SETTING_SCP_TIMING`, CAP-70).
pub fn poll_ledgers(poll_interval_ms: u32, target_close_ms: u32) -> Result<u32, FloorError> {
    if target_close_ms == 0 {
        return Err(FloorError::Zero { term: "the network's target close time" });
    }
    Ok(poll_interval_ms.div_ceil(target_close_ms).max(1))
}

impl Queue {
    /// q in ledgers.
    pub fn ledgers(&self) -> Result<u32, FloorError> {
        for (value, term) in [
            (self.lanes, "the number of lanes"),
            (self.channels_per_transaction, "the number of channels per transaction"),
        ] {
            if value == 0 {
                return Err(FloorError::Zero { term });
            }
        }
        let at_once = self.lanes.checked_mul(self.channels_per_transaction).ok_or(FloorError::TooLong)?;
        self.channels.div_ceil(at_once).checked_mul(self.confirm).ok_or(FloorError::TooLong)
    }
}

impl Floor {
    /// Computes T and W.
    pub fn of(terms: Terms) -> Result<Self, FloorError> {
        let queue = terms.queue.ledgers()?;
        let reaction = reaction(&terms, queue).ok_or(FloorError::TooLong)?;
        let waiting_period = waiting_period(reaction, terms.sweep_interval).ok_or(FloorError::TooLong)?;
        Ok(Self { terms, queue, reaction, waiting_period })
    }

    /// F's upper bound: a third of W.
    pub fn freshness_limit(&self) -> u32 {
        self.waiting_period / 3
    }

    /// Refuses a configured minimum below W.
    pub fn check_minimum(&self, configured: u32) -> Result<(), FloorError> {
        if configured < self.waiting_period {
            return Err(FloorError::MinimumTooLow { configured, floor: self.waiting_period });
        }
        Ok(())
    }

    /// Refuses a configured F above W/3.
    pub fn check_freshness(&self, configured: u32) -> Result<(), FloorError> {
        let limit = self.freshness_limit();
        if configured > limit {
            return Err(FloorError::FreshnessTooLong { configured, limit, floor: self.waiting_period });
        }
        Ok(())
    }
}

/// T = s + p + g + k(b + g) + q.
fn reaction(terms: &Terms, queue: u32) -> Option<u32> {
    let attempts = terms.bounds.checked_add(terms.node_lag)?.checked_mul(terms.attempts)?;
    terms.sweep.checked_add(terms.poll)?.checked_add(terms.node_lag)?.checked_add(attempts)?.checked_add(queue)
}

/// W = max(3T, S + T) + 1.
fn waiting_period(reaction: u32, sweep_interval: u32) -> Option<u32> {
    let thrice = reaction.checked_mul(3)?;
    let unseen = sweep_interval.checked_add(reaction)?;
    thrice.max(unseen).checked_add(1)
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { sweep, poll, node_lag, attempts, bounds, sweep_interval, queue } = self.terms;
        let how_queue = format!(
            "all {} channels closing at once, {} at a time, {} ledgers each",
            queue.channels,
            queue.lanes.saturating_mul(queue.channels_per_transaction),
            queue.confirm
        );
        let how_attempts = format!("k(b + g): {attempts} attempts of {bounds} ledgers, on a lagging node");
        let rows: [(&str, u32, &str); 8] = [
            ("s", sweep, "the length of a sweep"),
            ("p", poll, "the time between two polls"),
            ("g", node_lag, "the highest lag of a node"),
            ("k(b + g)", attempts.saturating_mul(bounds.saturating_add(node_lag)), &how_attempts),
            ("q", self.queue, &how_queue),
            ("T", self.reaction, "the reaction time: s + p + g + k(b + g) + q"),
            ("S", sweep_interval, "the time between two sweeps"),
            ("W", self.waiting_period, "the shortest waiting period: max(3T, S + T) + 1"),
        ];
        writeln!(f, "reaction time and waiting period, in ledgers")?;
        for (name, ledgers, what) in rows {
            writeln!(f, "  {name:<8}  {ledgers:>10}  {what}")?;
        }
        write!(f, "  {:<8}  {:>10}  the highest age of a channel's view: W/3", "F", self.freshness_limit())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use proptest::prelude::*;

    use super::*;

    fn terms() -> Terms {
        Terms {
            sweep: 6,
            poll: 1,
            node_lag: 12,
            attempts: 10,
            bounds: 5,
            sweep_interval: 120,
            queue: Queue { channels: 7, lanes: 2, channels_per_transaction: 1, confirm: 3 },
        }
    }

    #[test]
    fn the_formula_is_the_documented_one() {
        let floor = Floor::of(terms()).unwrap();
        assert_eq!(floor.queue, 12, "7 channels on 2 lanes are 4 rounds of 3 ledgers");
        assert_eq!(floor.reaction, 6 + 1 + 12 + 10 * (5 + 12) + 12);
        assert_eq!(floor.waiting_period, 3 * 201 + 1);
        assert_eq!(floor.freshness_limit(), 604 / 3);
    }

    #[test]
    fn a_long_interval_between_sweeps_sets_the_floor() {
        let floor = Floor::of(Terms { sweep_interval: 5_000, ..terms() }).unwrap();
        assert_eq!(floor.waiting_period, 5_000 + 201 + 1);
    }

    #[test]
    fn a_minimum_below_the_floor_is_refused_and_the_floor_itself_is_not() {
        let floor = Floor::of(terms()).unwrap();
        assert_eq!(floor.check_minimum(604), Ok(()));
        let refused = floor.check_minimum(603).unwrap_err();
        assert_eq!(refused, FloorError::MinimumTooLow { configured: 603, floor: 604 });
        assert!(refused.to_string().contains("raise it to at least 604"), "{refused}");
    }

    #[test]
    fn a_freshness_limit_above_a_third_of_the_floor_is_refused() {
        let floor = Floor::of(terms()).unwrap();
        assert_eq!(floor.check_freshness(201), Ok(()));
        assert_eq!(
            floor.check_freshness(202),
            Err(FloorError::FreshnessTooLong { configured: 202, limit: 201, floor: 604 })
        );
    }

    #[test]
    fn the_poll_interval_counts_in_ledgers_of_the_networks_own_length_and_is_never_zero() {
        assert_eq!(poll_ledgers(1_000, 5_000), Ok(1));
        assert_eq!(poll_ledgers(5_000, 5_000), Ok(1));
        assert_eq!(poll_ledgers(5_001, 5_000), Ok(2));
        assert_eq!(poll_ledgers(0, 5_000), Ok(1));
        assert_eq!(poll_ledgers(1, 0), Err(FloorError::Zero { term: "the network's target close time" }));
    }

    #[test]
    fn a_queue_without_lanes_has_no_length() {
        let queue = Queue { lanes: 0, ..terms().queue };
        assert!(matches!(Floor::of(Terms { queue, ..terms() }), Err(FloorError::Zero { .. })));
    }

    #[test]
    fn the_table_shows_every_term_and_its_sum() {
        let table = Floor::of(terms()).unwrap().to_string();
        for line in ["T                201", "W                604", "q                 12", "F                201"] {
            assert!(table.contains(line), "no line {line:?} in\n{table}");
        }
    }

    fn any_terms() -> impl Strategy<Value = Terms> {
        let n = prop_oneof![0u32..200, any::<u32>()];
        (proptest::collection::vec(n, 6), any::<u32>(), 1u32..9, 1u32..9, 0u32..99).prop_map(
            |(t, channels, lanes, channels_per_transaction, confirm)| Terms {
                sweep: t[0],
                poll: t[1],
                node_lag: t[2],
                attempts: t[3],
                bounds: t[4],
                sweep_interval: t[5],
                queue: Queue { channels, lanes, channels_per_transaction, confirm },
            },
        )
    }

    proptest! {
        #[test]
        fn checked_arithmetic_agrees_with_wide_arithmetic(t in any_terms()) {
            let wide = |v: u32| u128::from(v);
            let rounds = wide(t.queue.channels).div_ceil(wide(t.queue.lanes) * wide(t.queue.channels_per_transaction));
            let q = rounds * wide(t.queue.confirm);
            let reaction =
                wide(t.sweep) + wide(t.poll) + wide(t.node_lag) + wide(t.attempts) * (wide(t.bounds) + wide(t.node_lag)) + q;
            let w = (3 * reaction).max(wide(t.sweep_interval) + reaction) + 1;
            match Floor::of(t) {
                Ok(floor) => {
                    prop_assert_eq!(wide(floor.waiting_period), w);
                    prop_assert_eq!(wide(floor.reaction), reaction);
                    prop_assert!(wide(floor.freshness_limit()) * 3 <= w);
                    prop_assert!(floor.waiting_period > floor.terms.sweep_interval.saturating_add(floor.reaction));
                }
                Err(error) => {
                    prop_assert_eq!(error, FloorError::TooLong);
                    prop_assert!(w > wide(u32::MAX) || wide(t.attempts) * (wide(t.bounds) + wide(t.node_lag)) > wide(u32::MAX));
                }
            }
        }

        #[test]
        fn one_more_channel_never_lowers_the_floor(t in any_terms(), more in 0u32..1000) {
            let grown = Queue { channels: t.queue.channels.saturating_add(more), ..t.queue };
            if let (Ok(now), Ok(then)) = (Floor::of(t), Floor::of(Terms { queue: grown, ..t })) {
                prop_assert!(then.waiting_period >= now.waiting_period);
            }
        }
    }
}
