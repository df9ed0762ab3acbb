//! Assembles the parts of a watcher, in the same way for the daemon, the tests, the simulator and the benchmarks.

use std::collections::HashMap;
use std::sync::Arc;

use paychan_channel::AccountId;
use paychan_rpc::SecretKey;
use paychan_store::Store;

use crate::chain::Chain;
use crate::channels::Channels;
use crate::clock::Clock;
use crate::commitments::{Commitments, ViewGate};
use crate::config::Config;
use crate::follower::{Follower, FollowerParts, FollowerSettings};
use crate::liveness::Liveness;
use crate::pause::Pause;
use crate::promises::Promises;
use crate::settler::step::BOUNDS_LEDGERS;
use crate::settler::{Settler, SettlerParts};
use crate::status::Reporter;
use crate::view::View;

/// The parts that decide whether money may be taken. They are made before the store is opened, since the store uses its
/// gate from the start.
pub struct GateParts {
    /// What is known of the chain. It is empty at first.
    pub view: Arc<View>,
    /// What was promised. Nothing is counted at first.
    pub promises: Arc<Promises>,
    /// The gate with which to open the store.
    pub gate: Arc<ViewGate>,
}

/// Makes the view, the promises and the gate of one watcher.
pub fn gate_parts(config: Arc<Config>, clock: Arc<dyn Clock>) -> GateParts {
    let view = Arc::new(View::new());
    let promises = Arc::new(Promises::new(config.clone()));
    let gate = Arc::new(ViewGate::new(view.clone(), promises.clone(), clock, config));
    GateParts { view, promises, gate }
}

/// The inputs from which a watcher is assembled: the seams, the settings and the keys.
pub struct Inputs {
    /// The operator's settings.
    pub config: Arc<Config>,
    /// The parts that decide whether money may be taken.
    pub gate_parts: GateParts,
    /// The network.
    pub chain: Arc<dyn Chain>,
    /// The store, opened with the gate.
    pub store: Store,
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// The key that pays fees.
    pub lane: SecretKey,
    /// The configured keys of recipients.
    pub recipients: HashMap<AccountId, SecretKey>,
}

/// The assembled parts. None of them runs yet.
pub struct Parts {
    /// What is known of the chain.
    pub view: Arc<View>,
    /// What was promised.
    pub promises: Arc<Promises>,
    /// Follows the ledger.
    pub follower: Follower,
    /// Settles.
    pub settler: Settler,
    /// Decides about channels.
    pub channels: Channels,
    /// Decides about commitments, charges and closes.
    pub commitments: Commitments,
    /// The operator's pause.
    pub pause: Pause,
    /// Reports what is known.
    pub reporter: Reporter,
    /// The follower's progress.
    pub follows: Arc<Liveness>,
    /// The settler's progress.
    pub settles: Arc<Liveness>,
}

/// Assembles a watcher.
pub fn assemble(inputs: Inputs) -> Parts {
    let Inputs { config, gate_parts, chain, store, clock, lane, recipients } = inputs;
    let GateParts { view, promises, gate } = gate_parts;
    let (follows, settles) = (Arc::new(Liveness::default()), Arc::new(Liveness::default()));
    follows.beat(clock.boot());
    settles.beat(clock.boot());
    let follower = Follower::new(
        FollowerParts {
            chain: chain.clone(),
            store: store.clone(),
            view: view.clone(),
            promises: promises.clone(),
            clock: clock.clone(),
            config: config.clone(),
        },
        FollowerSettings::of(&config, vec![lane.account()]),
    );
    let reader = follower.reader();
    let settler = Settler::new(SettlerParts {
        chain: chain.clone(),
        store: store.clone(),
        view: view.clone(),
        promises: promises.clone(),
        reader: reader.clone(),
        clock: clock.clone(),
        config: config.clone(),
        lane,
        recipients,
        liveness: settles.clone(),
    });
    let reporter =
        Reporter::new(config.clone(), store.clone(), view.clone(), promises.clone(), clock.clone(), settler.attempts());
    Parts {
        pause: Pause::of(&config.data_dir, view.clone()),
        channels: Channels::new(config.clone(), chain, store.clone(), view.clone(), clock, BOUNDS_LEDGERS),
        commitments: Commitments::new(config.network_id(), store, gate, Arc::new(reader)),
        view,
        promises,
        follower,
        settler,
        reporter,
        follows,
        settles,
    }
}
