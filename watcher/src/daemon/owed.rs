//! Checks whether ending the daemon would endanger anything.

use paychan_store::Store;

/// Whether nothing is unsettled or in flight. Only then may the daemon end because of an error.
pub(super) fn owes_nothing(store: &Store) -> bool {
    store.all_held().iter().all(|held| held.unsettled_since_ms.is_none()) && store.in_flight().is_empty()
}
