//! `pause` and `resume` say whether money is taken. Settling goes on in either case.

use crate::config::Config;
use crate::daemon::RunError;
use crate::status;

/// Tells the running daemon to take nothing (`true`), or to take money again (`false`).
///
/// # Errors
/// No daemon runs, or the daemon does not answer.
pub async fn pause(config: &Config, paused: bool) -> Result<String, RunError> {
    let socket = config.operator_socket();
    let Some(daemon) = status::daemon(&socket)? else {
        let why = format!("no watcher listens at {}; start it first, as the same user", socket.display());
        return Err(RunError::Other(why));
    };
    let answer = daemon.pause(paused).await.map_err(|error| RunError::Other(error.to_string()))?;
    let mut said = match answer.paused {
        true => "Paused: no channel, commitment or charge is taken. Settling goes on.".to_owned(),
        false => "Resumed: money is taken again, as soon as `status` says that nothing else is in the way.".to_owned(),
    };
    match answer.not_kept {
        None if answer.paused => said.push_str(" A restart does not end the pause; `paychan-watcher resume` does."),
        None => {}
        Some(why) => said.push_str(&format!(" The next start will not know this, since the disk refused: {why}.")),
    }
    Ok(said)
}
