//! Runs the command line as a person does: as a separate process.

use std::ffi::OsStr;

use serde_json::Value;
use tokio::process::Command;

use crate::network::Network;
use crate::programs::program;

/// The result of one run of `paychan`.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}\n{}", self.stdout, self.stderr))
    }

    /// Standard output as JSON, of a run that has to succeed.
    pub fn ok(self) -> Value {
        assert_eq!(self.code, 0, "paychan failed: {}\n{}", self.stdout, self.stderr);
        self.json()
    }
}

/// Runs `paychan ARGS --json` against a network.
pub async fn paychan<A: AsRef<OsStr>>(network: &Network, args: impl IntoIterator<Item = A>) -> Ran {
    let output = Command::new(program("paychan"))
        .args(args)
        .arg("--json")
        .env("PAYCHAN_RPC_URL", &network.rpc_url)
        .env("PAYCHAN_PASSPHRASE", &network.passphrase)
        .output()
        .await
        .expect("paychan starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
