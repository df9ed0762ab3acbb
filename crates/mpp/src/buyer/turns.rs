//! Makes the payments to a server one after another until it is known that it counts credit.
//!
//! Vouchers that are sent side by side arrive in any order. A server that says in its receipts what it accepted and what was spent
//! takes them in any order, since the rest of a higher voucher is credit. Another server may take the higher voucher whole, and
//! refuse the lower one.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::pay::Buyer;

/// Each server's turn; `None` when its payments may be made side by side. The key is the host.
pub(super) type Turns = HashMap<String, Option<Arc<Mutex<()>>>>;

/// The most servers whose turns are remembered.
const SERVERS: usize = 1_024;

impl Buyer {
    /// Waits until no other payment to this server is under way, unless they may be made side by side. Says whether it has waited:
    /// an offer from before is then older than the other payment.
    pub(super) async fn turn(&self, host: &str) -> (bool, Option<OwnedMutexGuard<()>>) {
        let turn = self.with_state(|state| {
            if state.turns.len() >= SERVERS && !state.turns.contains_key(host) {
                // A turn that somebody has stays.
                state.turns.retain(|_, turn| turn.as_ref().is_some_and(|turn| Arc::strong_count(turn) > 1));
            }
            state.turns.entry(host.to_owned()).or_insert_with(|| Some(Arc::default())).clone()
        });
        let Some(turn) = turn else { return (false, None) };
        if let Ok(mine) = Arc::clone(&turn).try_lock_owned() {
            return (false, Some(mine));
        }
        let mine = turn.lock_owned().await;
        let still = self.with_state(|state| state.turns.get(host).is_some_and(Option::is_some));
        (true, still.then_some(mine))
    }

    /// Records that the payments to this server may be made side by side.
    pub(super) fn may_pay_side_by_side(&self, host: &str) {
        self.with_state(|state| state.turns.insert(host.to_owned(), None));
    }
}
