//! The stage: the world of the whole-system tests, at the demo's speed, with each command told.

use paychan_channel::{Amount, ContractId, SAC_DECIMALS};
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};
use paychan_tests::world::World;

use crate::tell::Teller;

/// A ledger each 100 ms: fast enough for a demo, slow enough to watch.
const LEDGER_MS: u32 = 100;
/// Entries live for 3,000 ledgers at most, so that the end of a life can be shown.
const LONGEST_LIFE: u32 = 3_000;
/// The watcher extends what has less life left than this.
pub(crate) const LIFE_FLOOR: u32 = 1_500;
/// To this much.
const LIFE_EXTEND_TO: u32 = 2_900;
/// Ledgers that the recipient has from the announcement of a close to the refund.
pub(crate) const WAITING_PERIOD: u32 = 200;

/// Stroops that a call cost.
pub(crate) type Fee = i64;

/// Everything that the story needs.
pub(crate) struct Stage {
    pub(crate) world: World,
}

impl Stage {
    /// Starts the network and brings everyone on.
    pub(crate) async fn set(tell: &Teller) -> Self {
        tell.step("A Stellar network starts on this machine; people and a test USDC come onto it");
        let world = World::new(NetworkOptions {
            ledger_ms: LEDGER_MS,
            max_entry_ttl: LONGEST_LIFE,
            min_persistent_ttl: LONGEST_LIFE,
        })
        .await;
        tell.say(&format!("{}, a ledger each {LEDGER_MS} ms (the public network: about 5 s)", world.network.rpc_url));
        tell.say(&format!("funder     {}  (the agent, has 1,000 USDC)", world.funder.id));
        tell.say(&format!("recipient  {}  (the API, has 0 USDC)", world.recipient.id));
        tell.say(&format!(
            "USDC       {}  (its contract; issuer and trustlines as on the public network)",
            world.usdc.contract
        ));
        Self { world }
    }

    /// A watcher for the recipient, not yet running.
    pub(crate) fn watcher(&self) -> Watcher {
        let mut options = self.world.watcher_options();
        options.minimum_refund_waiting_period = WAITING_PERIOD;
        options.life_floor = LIFE_FLOOR;
        options.life_extend_to = LIFE_EXTEND_TO;
        Watcher::configure(self.world.path(), &options)
    }

    /// Opens a channel: who pays through it, and what opening cost the funder.
    pub(crate) async fn open(&self, tell: &Teller, deposit: &str) -> (Payer, Fee) {
        let world = &self.world;
        tell.say(&format!(
            "$ paychan open --token USDC:... --deposit {deposit} --to {}... --refund-waiting-period {WAITING_PERIOD} ...",
            &world.recipient.id.to_string()[..5]
        ));
        let before = world.xlm(&world.funder).await;
        let payer = world.open(deposit, &world.recipient, WAITING_PERIOD).await;
        tell.say(&format!("channel {}", payer.channel));
        (payer, before - world.xlm(&world.funder).await)
    }

    /// Calls the channel as the funder: what it cost.
    pub(crate) async fn as_funder(&self, tell: &Teller, name: &str, channel: &ContractId) -> Fee {
        tell.say(&format!("$ paychan {name} {channel} ..."));
        let before = self.world.xlm(&self.world.funder).await;
        self.world.as_funder(name, channel).await;
        before - self.world.xlm(&self.world.funder).await
    }
}

/// An amount as a person reads it.
pub(crate) fn usdc(amount: Amount) -> String {
    amount.to_decimal(SAC_DECIMALS)
}

/// A fee as a person reads it.
pub(crate) fn xlm(stroops: Fee) -> String {
    Amount::new(stroops.into()).map_or_else(|_| stroops.to_string(), |fee| fee.to_decimal(7))
}
