//! Tests that a process which dies at any step of its payments loses at most the price of the payment that was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use paychan_mpp::buyer::{BuyerOptions, Event};
use tempfile::TempDir;

use super::{get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

#[tokio::test]
async fn a_process_that_dies_at_any_step_is_charged_for_no_answer_twice() {
    // Each payment has the steps asked, recorded and answered. The second one uses the first one's challenge.
    for dies_at in 1..=6 {
        let env = TestEnv::new();
        let (address, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap());
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let on_event = move |event: &Event| {
            assert!(counted.fetch_add(1, Ordering::SeqCst) + 1 != dies_at, "it dies at {event:?}");
        };
        let dying = open(&folder, BuyerOptions { on_event: Some(Arc::new(on_event)), ..options(&env) });
        let died = tokio::spawn(async move {
            for _ in 0..2 {
                dying.pay(get(address, "/time")).await.unwrap();
            }
        });
        assert!(died.await.unwrap_err().is_panic());
        assert_eq!(steps.load(Ordering::SeqCst), dies_at);

        let sold = env.sold();
        let buyer = open(&folder, options(&env));
        for number in 1..=2 {
            let bought = buyer.pay(get(address, "/time")).await.unwrap();
            assert_eq!(bought.response.text().await.unwrap(), format!("answer {}", sold + number), "step {dies_at}");
        }
        let price_of_all = 10 * i128::try_from(env.sold()).unwrap();
        assert_eq!(env.watcher.totals(&CHANNEL), (price_of_all, price_of_all), "step {dies_at}");
        assert_eq!(buyer.signed(&CHANNEL).get(), price_of_all, "step {dies_at}: what never arrived is signed again");
    }
}
