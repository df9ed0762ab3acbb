//! What a process gets from the network once it has died at its disk.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use paychan_sim::disk::SimDisk;
use paychan_sim::network::SimChain;
use paychan_sim::setup::lane;
use paychan_watcher::chain::Chain;

fn gets_an_answer(chain: &SimChain) -> bool {
    matches!(pin!(chain.head()).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

/// The store's thread may die while a front end asks something. Nobody would end a world that waits for that answer.
#[test]
fn only_the_loops_of_a_process_that_has_died_at_its_disk_get_no_answer() {
    let chain = SimChain::new(lane().account());
    let disk = SimDisk::default();
    chain.network().disk = Some(disk.clone());
    chain.network().death.counts = true;
    assert!(gets_an_answer(&chain));
    disk.after_kill();
    assert!(!gets_an_answer(&chain));
    chain.network().death.counts = false;
    assert!(gets_an_answer(&chain));
}
