//! Tests of `paychan-watcher check` before the first start.

use std::fs;

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;

#[tokio::test]
async fn check_tells_the_first_channels_floor_and_the_free_space_and_fails_where_nothing_would_be_taken() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let watcher = env.watcher();
    assert!(!env.path().join("data").exists());
    let (code, text) = watcher.run_command("check").await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("all 1 channels closing at once"), "{text}");
    assert!(text.contains("MiB are free for"), "{text}");

    let config = fs::read_to_string(&watcher.config).unwrap();
    fs::write(&watcher.config, format!("{config}\n[disk]\nfree_mark_mib = 1000000000\n")).unwrap();
    let (code, text) = watcher.run_command("check").await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("make room there"), "{text}");
    assert!(!env.path().join("data").exists(), "a check changes nothing");
}
