//! Refuses settings that are well-formed but impossible.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use paychan_channel::{Address, Stroops};
use reqwest::Url;

use super::{Config, ConfigError, LifeLimits, Network, Notify, Token};

/// The lowest inclusion fee that the network accepts, in stroops.
const BASE_FEE: i64 = Stroops::BASE_FEE.0;

/// The highest `max_inclusion_fee`, 400 XLM. A transaction's fee, the bid and the resources together, has 32 bits. A
/// higher bid would leave no room for the resources, and the transaction could not be built when it is needed most.
const MAX_INCLUSION_FEE: i64 = 4_000_000_000;
const _: () = assert!(MAX_INCLUSION_FEE < u32::MAX as i64);

/// The most decimals with which one whole token fits an i128.
const MAX_DECIMALS: u32 = 38;

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    listen(config)?;
    network(&config.network)?;
    listed("recipients", config.recipients.iter().map(|recipient| recipient.address))?;
    listed("trusted_code", config.trusted_code.iter().map(|code| code.wasm_hash))?;
    listed("tokens", config.tokens.iter().map(|token| token.contract))?;
    recipients(config)?;
    if config.fees.max_inclusion_fee.get() < BASE_FEE {
        return no(format!(
            "fees.max_inclusion_fee is {} stroops; the network takes no transaction below {BASE_FEE}",
            config.fees.max_inclusion_fee
        ));
    }
    if config.fees.max_inclusion_fee.get() > MAX_INCLUSION_FEE {
        return no(format!(
            "fees.max_inclusion_fee is {} stroops; at most {MAX_INCLUSION_FEE} fit a transaction",
            config.fees.max_inclusion_fee
        ));
    }
    config.tokens.iter().try_for_each(|token| dust(config, token))?;
    terms(config)?;
    settle(config)?;
    notify(&config.notify)?;
    life(&config.life)
}

fn listen(config: &Config) -> Result<(), ConfigError> {
    if config.listen.ip().is_loopback() || config.listen_beyond_loopback {
        return Ok(());
    }
    no(format!(
        "listen is {}, which others can reach, and the API speaks plain HTTP; use 127.0.0.1 or [::1], or put TLS in \
         front and set listen_beyond_loopback = true",
        config.listen
    ))
}

fn network(network: &Network) -> Result<(), ConfigError> {
    match (&network.name, &network.passphrase) {
        (Some(_), Some(_)) => {
            return no("network has both `name` and `passphrase`; give one".to_owned());
        }
        (None, None) => {
            return no("network has neither `name` (testnet, mainnet) nor `passphrase`; give one".to_owned());
        }
        (None, Some(passphrase)) if passphrase.trim().is_empty() => {
            return no("network.passphrase is empty".to_owned());
        }
        _ => {}
    }
    match (&network.rpc_url, network.rpc_urls.is_empty()) {
        (Some(_), false) => return no("network has both `rpc_url` and `rpc_urls`; give one of them".to_owned()),
        (None, true) => {
            return no("network has no endpoint; give `rpc_url`, or several in `rpc_urls`".to_owned());
        }
        (Some(url), true) => endpoint("rpc_url", url)?,
        (None, false) => {
            network.rpc_urls.iter().try_for_each(|url| endpoint("rpc_urls", url))?;
            listed("network.rpc_urls", network.rpc_urls.iter().map(|url| url.trim_end_matches('/')))
                .map_err(|_| ConfigError::contradiction("network.rpc_urls names one endpoint twice".to_owned()))?;
        }
    }
    let endpoints = network.endpoints();
    if let Some(header) = network.headers.iter().find(|header| !endpoints.contains(&header.rpc_url.as_str())) {
        // The URL may hold a key, so it is not repeated.
        let header = header.header.place();
        return no(format!(
            "network.headers: the rpc_url of the header in {header} is no endpoint of this configuration"
        ));
    }
    at_least_one("network.timeout_ms", network.timeout_ms)?;
    at_least_one("network.poll_interval_ms", network.poll_interval_ms)
}

fn endpoint(key: &str, url: &str) -> Result<(), ConfigError> {
    match Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        true => Ok(()),
        false => no(format!("network.{key} must start with http:// or https://, and be a URL")),
    }
}

/// Refuses a list that is empty or names an item twice.
fn listed<T: Eq + Hash + Display>(key: &str, all: impl Iterator<Item = T>) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    for item in all {
        if seen.contains(&item) {
            return no(format!("{key} names {item} twice; once is enough, and two could contradict each other"));
        }
        seen.insert(item);
    }
    if seen.is_empty() {
        return no(format!("{key} is empty: no channel could ever be admitted; add a [[{key}]] table"));
    }
    Ok(())
}

fn recipients(config: &Config) -> Result<(), ConfigError> {
    for recipient in &config.recipients {
        if recipient.secret.is_some() && matches!(recipient.address, Address::Contract(_)) {
            return no(format!(
                "recipients: {} is a contract and has a secret; only an account (G...) has a secret key",
                recipient.address
            ));
        }
    }
    Ok(())
}

fn dust(config: &Config, token: &Token) -> Result<(), ConfigError> {
    let Token { code, dust, .. } = token;
    if token.decimals > MAX_DECIMALS {
        return no(format!("tokens: {code} has {} decimals; at most {MAX_DECIMALS} fit an amount", token.decimals));
    }
    if token.minimum_deposit < *dust || token.minimum_deposit.is_zero() {
        return no(format!(
            "tokens: {code}'s minimum_deposit is {}; it must be above 0 and not below dust ({dust}): such a channel \
             could never be worth settling",
            token.minimum_deposit
        ));
    }
    // An amount of at least dust must be worth its settlement. Otherwise the rules "never bid above the value at stake"
    // and "settle everything above dust" would contradict each other.
    let cost = config.fees.assumed_resource_fee.get().saturating_add(BASE_FEE);
    let worth = token.value(*dust).get();
    if worth < cost {
        return no(format!(
            "tokens: {code}'s dust of {dust} base units is worth {worth} stroops, less than the {cost} that a settlement \
             costs at the least (fees.assumed_resource_fee and the base fee); raise dust, or correct stroops_per_unit"
        ));
    }
    Ok(())
}

fn terms(config: &Config) -> Result<(), ConfigError> {
    let reaction = &config.reaction;
    at_least_one("reaction.sweep_interval_ledgers", reaction.sweep_interval_ledgers)?;
    at_least_one("reaction.sweep_ledgers", reaction.sweep_ledgers)?;
    at_least_one("reaction.attempts", reaction.attempts)?;
    at_least_one("reaction.confirm_ledgers", reaction.confirm_ledgers)?;
    at_least_one("fresh.ledgers", config.fresh.ledgers)?;
    at_least_one("fresh.seconds", config.fresh.seconds)?;
    at_least_one("quotas.channels_per_funder", config.quotas.channels_per_funder)
}

fn settle(config: &Config) -> Result<(), ConfigError> {
    at_least_one("settle.after_seconds", config.settle.after_seconds)?;
    at_least_one("settle.idle_seconds", config.settle.idle_seconds)?;
    at_least_one("settle.drop_unused_seconds", config.settle.drop_unused_seconds)?;
    for Token { code, dust, settle_above, .. } in &config.tokens {
        if settle_above.is_some_and(|above| above < *dust) {
            return no(format!("tokens: {code}'s settle_above is below its dust ({dust}), which is never settled"));
        }
    }
    let fees = &config.fees;
    if fees.max_resource_fee < fees.assumed_resource_fee {
        return no(format!(
            "fees.max_resource_fee is {} stroops, below fees.assumed_resource_fee ({}): no settlement could be signed",
            fees.max_resource_fee, fees.assumed_resource_fee
        ));
    }
    Ok(())
}

fn notify(notify: &Notify) -> Result<(), ConfigError> {
    for (key, url) in [("webhook_url", &notify.webhook_url), ("heartbeat_url", &notify.heartbeat_url)] {
        if let Some(url) = url
            && !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        {
            return no(format!("notify.{key} is no URL that starts with http:// or https://"));
        }
    }
    if notify.webhook_url.is_some() != notify.webhook_secret.is_some() {
        return no("notify.webhook_url and notify.webhook_secret belong together; give both or neither".to_owned());
    }
    at_least_one("notify.heartbeat_seconds", notify.heartbeat_seconds)
}

fn life(life: &LifeLimits) -> Result<(), ConfigError> {
    at_least_one("life.floor_ledgers", life.floor_ledgers)?;
    if life.extend_to_ledgers <= life.floor_ledgers {
        return no(format!(
            "life.extend_to_ledgers is {}, not above life.floor_ledgers ({}): an entry would be due again at once",
            life.extend_to_ledgers, life.floor_ledgers
        ));
    }
    Ok(())
}

fn at_least_one(key: &str, value: u32) -> Result<(), ConfigError> {
    if value == 0 {
        return no(format!("{key} is 0; at least 1 is needed"));
    }
    Ok(())
}

fn no(message: String) -> Result<(), ConfigError> {
    Err(ConfigError::contradiction(message))
}
