//! `paychan-watcher rescue CHANNEL` prints a command that a person can run when the watcher can't settle.

use paychan_channel::{ContractId, Layout};

use crate::config::Config;
use crate::daemon::RunError;
use paychan_store::{Held, Remains, read_what_is_left};

/// Returns a command for stellar-cli that settles the channel's highest commitment, from the journal. It works while
/// the daemon runs and while it is down, and on a damaged journal too. It writes nothing.
///
/// # Errors
/// Nothing of the journal can be read, or the readable part has no such channel or no commitment of it.
pub fn rescue(config: &Config, channel: &ContractId) -> Result<String, RunError> {
    let remains = read_what_is_left(&config.data_dir, &config.network_id())?;
    let warnings = warnings(&remains, channel);
    let held = remains.channels.iter().find(|held| held.channel() == *channel);
    let none = || RunError::Other(format!("the journal holds no channel {channel}{}", and_damage(&remains)));
    let command = command(config, held.ok_or_else(none)?)?;
    Ok(format!("{command}{warnings}"))
}

/// Warnings about what may be missing, as comments for the shell.
fn warnings(remains: &Remains, channel: &ContractId) -> String {
    let mut text = String::new();
    if remains.torn.is_some() {
        text.push_str(
            "\n# The journal's end is torn: a newer commitment may be missing. Ask your front end's records.",
        );
    }
    if let Some(damage) = &remains.damage {
        text.push_str(&format!("\n# {}", damage.to_string().replace('\n', "\n# ")));
        text.push_str(match remains.uncertain.iter().any(|(uncertain, _)| uncertain == channel) {
            true => "\n# A higher commitment of this channel may be lost in the damage. Ask your front end's records.",
            false => "\n# This channel's highest commitment lies outside of the damage.",
        });
    }
    text
}

fn and_damage(remains: &Remains) -> String {
    match &remains.damage {
        None => String::new(),
        Some(damage) => format!(" in what can be read of it: {damage}"),
    }
}

fn command(config: &Config, held: &Held) -> Result<String, RunError> {
    let channel = held.channel();
    let claim = held.claim().ok_or_else(|| RunError::Other(format!("the journal holds no commitment of {channel}")))?;
    let source = match held.admission.layout {
        Layout::Paychan => "any account that has some XLM for the fee".to_owned(),
        _ => format!("the recipient {}, whose authorization this channel's code needs", held.admission.to),
    };
    Ok(format!(
        "# Pays {amount} base units in total to {to}. ACCOUNT is {source}.\n\
         stellar contract invoke --id {channel} --source-account ACCOUNT \\\n  \
         --rpc-url {url} --network-passphrase {passphrase} \\\n  \
         -- settle --amount {amount} --sig {signature}",
        amount = claim.amount,
        to = held.admission.to,
        url = quoted(config.network.endpoints().first().copied().unwrap_or_default()),
        passphrase = quoted(config.passphrase()),
        signature = hex::encode(claim.signature.0),
    ))
}

/// The text in single quotes for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use super::*;
    use crate::fixtures::{CHANNEL, config, held};

    #[test]
    fn the_command_names_channel_amount_signature_and_network() {
        let text = command(&config(), &held(15)).unwrap();
        for part in [
            format!("--id {CHANNEL} "),
            "--network-passphrase 'Standalone Network ; February 2017'".to_owned(),
            format!("settle --amount 15 --sig {}", "00".repeat(64)),
        ] {
            assert!(text.contains(&part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn without_a_commitment_there_is_nothing_to_rescue() {
        assert!(command(&config(), &held(0)).is_err());
    }

    #[test]
    fn text_is_quoted_for_the_shell() {
        assert_eq!(quoted("a'b $(c)"), r"'a'\''b $(c)'");
    }
}
