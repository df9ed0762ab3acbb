//! `paychan close` where simulation alone would not do.

use paychan_rpc::operations;
use serde_json::json;

use crate::cli::{Scene, units};

/// The refund within the close then fails and is caught, and simulation forgets an entry: see `WRITE_BYTES_PER_CLOSE`.
#[tokio::test]
async fn a_channel_is_closed_though_its_funder_has_no_trustline_any_more() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let network = scene.network.id();
    let left = scene.usdc_of(&scene.funder).await.get();
    let left = i64::try_from(left).unwrap();
    scene
        .network
        .submitter(&scene.funder.secret, &network)
        .classic(vec![
            operations::payment(None, &scene.usdc.issuer.id, scene.usdc.asset.clone(), left),
            operations::change_trust(None, scene.usdc.asset.clone(), 0),
        ])
        .await
        .unwrap();

    let closed = scene.run_as(&scene.recipient, &["close", &channel, "--without-commitment"]).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("0"), &json!("0")));

    // With a trustline again the funder takes the deposit back.
    scene.network.trust(&scene.usdc, &scene.funder).await;
    scene.run_as(&scene.funder, &["refund", &channel]).await.ok();
    assert_eq!(scene.usdc_of(&scene.funder).await, units(125_000_000));
}
