//! What the channels of the demo share: the environment of the whole-system tests, with the demo's network and prices.

use paychan_channel::{Amount, ContractId, SAC_DECIMALS};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};

use crate::output::Output;

/// Milliseconds between ledgers: fast enough for a demo, slow enough to watch.
const LEDGER_MS: u32 = 100;
/// The longest life of an entry, in ledgers. It is short, so that the demo can show how a life ends.
const LONGEST_LIFE: u32 = 3_000;
/// The watcher extends an entry that has fewer ledgers left than this.
pub(crate) const LIFE_FLOOR: u32 = 1_500;
/// The watcher extends an entry's life to this many ledgers.
const LIFE_EXTEND_TO: u32 = 2_900;
/// Ledgers between the announcement of a close and the refund.
pub(crate) const WAITING_PERIOD: u32 = 200;

/// A fee in stroops.
pub(crate) type Fee = i64;

/// A local network with the accounts of the demo, and the output that the demo prints to.
pub(crate) struct Demo {
    pub(crate) env: TestEnv,
    pub(crate) output: Output,
}

impl Demo {
    /// Starts the network, creates the accounts and issues the token.
    pub(crate) async fn start(output: Output) -> Self {
        output.step("A Stellar network starts on this machine, with a few accounts and a test USDC");
        let env = TestEnv::new(NetworkOptions {
            ledger_ms: LEDGER_MS,
            max_entry_ttl: LONGEST_LIFE,
            min_persistent_ttl: LONGEST_LIFE,
        })
        .await;
        output.print(&format!(
            "{}, a ledger closes every {LEDGER_MS} ms (on the public network about every 5 s)",
            env.network.rpc_url
        ));
        output.print(&format!("funder     {}  (the agent, has 1,000 USDC)", env.funder.id));
        output.print(&format!("recipient  {}  (the API, has 0 USDC)", env.recipient.id));
        output.print(&format!(
            "USDC       {}  (its contract; issuer and trustlines as on the public network)",
            env.usdc.contract
        ));
        Self { env, output }
    }

    /// A watcher for the recipient. It does not run yet.
    pub(crate) fn watcher(&self) -> Watcher {
        self.configured(false)
    }

    /// A watcher that also has the recipient's key, so that it can close channels.
    pub(crate) fn closing_watcher(&self) -> Watcher {
        self.configured(true)
    }

    fn configured(&self, may_close: bool) -> Watcher {
        let mut options = self.env.watcher_options();
        options.may_close = may_close;
        options.minimum_refund_waiting_period = WAITING_PERIOD;
        options.life_floor = LIFE_FLOOR;
        options.life_extend_to = LIFE_EXTEND_TO;
        Watcher::configure(self.env.path(), &options)
    }

    /// Opens a channel with `deposit` whole USDC. Returns the payer, and the fee that the funder paid for the opening.
    pub(crate) async fn open(&self, deposit: &str) -> (Payer, Fee) {
        let env = &self.env;
        self.output.print(&format!(
            "$ paychan open --token USDC:... --deposit {deposit} --to {}... --refund-waiting-period {WAITING_PERIOD} ...",
            &env.recipient.id.to_string()[..5]
        ));
        let before = env.xlm(&env.funder).await;
        let payer = env.open(deposit, &env.recipient, WAITING_PERIOD).await;
        self.output.print(&format!("channel {}", payer.channel));
        (payer, before - env.xlm(&env.funder).await)
    }

    /// Runs `paychan COMMAND CHANNEL` as the funder. Returns the fee.
    pub(crate) async fn as_funder(&self, command: &str, channel: &ContractId) -> Fee {
        self.output.print(&format!("$ paychan {command} {channel} ..."));
        let before = self.env.xlm(&self.env.funder).await;
        self.env.as_funder(command, channel).await;
        before - self.env.xlm(&self.env.funder).await
    }
}

/// An amount of USDC as a person reads it.
pub(crate) fn usdc(amount: Amount) -> String {
    amount.to_decimal(SAC_DECIMALS)
}

/// A fee in XLM as a person reads it.
pub(crate) fn xlm(stroops: Fee) -> String {
    Amount::new(stroops.into()).map_or_else(|_| stroops.to_string(), |fee| fee.to_decimal(SAC_DECIMALS))
}
