//! `confirm-rollback` records that the operator knows that the store is an older copy.

use paychan_channel::{AccountId, ContractId};
use paychan_store::Store;

use super::endpoint;
use crate::chain::{Chain, KnownChannel};
use crate::config::Config;
use crate::daemon::RunError;
use crate::reader::rolled_back;
use crate::status;

/// Records that the operator knows of every channel on which the chain has paid more than the store ever held, so that
/// commitments are taken again. A running daemon does this itself; while it is down, this function writes to the store.
///
/// # Errors
/// The store or the chain can't be read. A single channel that can't be read is named in the answer, and nothing is
/// written for it.
pub async fn confirm_rollback(config: &Config) -> Result<String, RunError> {
    if let Some(daemon) = status::daemon(&config.operator_socket())? {
        let confirmed = daemon.confirm_rollback().await.map_err(|error| RunError::Other(error.to_string()))?;
        return Ok(said(&confirmed.channels, &confirmed.lanes));
    }
    let chain = endpoint(config).await?;
    let (store, _) = Store::open_for_operator(&config.data_dir, &config.network_id(), config.store_options())?;
    let confirmed = confirm_all(&chain, &store).await;
    store.shutdown().await?;
    let (confirmed, unreadable, lanes) = confirmed?;
    let mut said = said(&confirmed, &lanes);
    if !unreadable.is_empty() {
        said.push_str(&format!("\nThese channels could not be read and were left as they are: {}.", list(&unreadable)));
    }
    Ok(said)
}

fn said(confirmed: &[ContractId], lanes: &[AccountId]) -> String {
    let lanes: Vec<String> = lanes.iter().map(AccountId::to_string).collect();
    let of_lanes = format!(
        "Confirmed that the store did not know all that the fee account {} has sent. Commitments and charges may be \
         missing: look into your front end's records.",
        lanes.join(" and ")
    );
    match (confirmed.is_empty(), lanes.is_empty()) {
        (true, true) => {
            "On no channel has the chain paid more than the store holds, and the store knows all that the fee accounts have \
             sent. Nothing was written."
                .to_owned()
        }
        (true, false) => of_lanes,
        (false, true) => of_channels(confirmed),
        (false, false) => format!("{}\n{of_lanes}", of_channels(confirmed)),
    }
}

fn of_channels(confirmed: &[ContractId]) -> String {
    format!(
        "Confirmed for {}. The store has lost commitments between what it holds and what was paid; no money is lost by that, since \
         they were paid out. Commitments above what was paid may be missing too: look into your front end's records.",
        list(confirmed)
    )
}

type Channels = Vec<ContractId>;

/// The channels that were confirmed, those that could not be read, and the fee accounts that were confirmed.
async fn confirm_all(chain: &dyn Chain, store: &Store) -> Result<(Channels, Channels, Vec<AccountId>), RunError> {
    let mut lanes = Vec::new();
    for (lane, known) in store.lanes() {
        let used = chain.lane_account(&lane).await?.map(|account| account.sequence);
        if let Some(used) = used.filter(|used| *used > known) {
            store.lane_used(lane, used).await?;
            lanes.push(lane);
        }
    }
    let held = store.all_held();
    let watched: Vec<KnownChannel> = held
        .iter()
        .map(|held| KnownChannel {
            channel: held.channel(),
            wasm_hash: held.admission.wasm_hash,
            token: held.admission.token,
            token_code: None,
        })
        .collect();
    let (mut confirmed, mut unreadable) = (Vec::new(), Vec::new());
    for read in chain.read_channels(&watched).await? {
        let channel = read.channel();
        let Some(state) = read.believed() else {
            unreadable.push(channel);
            continue;
        };
        let held = held.iter().find(|held| held.channel() == state.channel);
        if held.is_some_and(|held| rolled_back(held, state.withdrawn)) {
            store.confirm_rollback(state.channel, state.withdrawn).await?;
            confirmed.push(state.channel);
        }
    }
    Ok((confirmed, unreadable, lanes))
}

fn list(channels: &[ContractId]) -> String {
    channels.iter().map(ContractId::to_string).collect::<Vec<_>>().join(", ")
}
