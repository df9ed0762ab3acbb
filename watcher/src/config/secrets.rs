//! Reads the secrets from the places that the configuration names.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use paychan_channel::{AccountId, Address};
use paychan_rpc::{EndpointHeader, SecretKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Config, ConfigError, ConfigErrorKind, HeaderOfEndpoint, SecretSource};

/// The shortest API token that is accepted, in characters: 128 bits as hexadecimal digits.
const SHORTEST_TOKEN: usize = 32;

/// The longest secret that is read, in bytes. All real ones are much shorter.
const LONGEST_SECRET: u64 = 4_096;

/// All secrets of the daemon. They are zeroized when dropped, and none has a `Debug` or `Display`.
pub struct Secrets {
    /// The API's bearer token.
    pub token: ApiToken,
    /// The lane's key, which pays fees.
    pub lane: SecretKey,
    /// The configured keys of recipients, which close their channels.
    pub recipients: HashMap<AccountId, SecretKey>,
    /// The secret that signs the messages to the webhook, if there is one.
    pub webhook: Option<WebhookSecret>,
    /// The headers that endpoints want.
    pub headers: EndpointHeaders,
}

/// Headers for requests to endpoints, by the endpoint's URL.
#[derive(Clone, Default)]
pub struct EndpointHeaders(Vec<(String, EndpointHeader)>);

impl EndpointHeaders {
    /// The headers of the endpoint with this URL.
    pub fn of<'a>(&'a self, url: &'a str) -> impl Iterator<Item = &'a EndpointHeader> {
        self.0.iter().filter(move |(of, _)| of == url).map(|(_, header)| header)
    }

    /// Reads the headers that the configuration names, and says what is wrong with each that can't be read.
    fn read(config: &Config) -> (Self, Vec<ConfigError>) {
        let (mut headers, mut missing) = (Vec::new(), Vec::new());
        for HeaderOfEndpoint { rpc_url, header: source } in &config.network.headers {
            let what = "network.headers";
            let header = read(what, source).and_then(|line| {
                EndpointHeader::from_line(&line)
                    .map_err(|error| wrong(what, source, &format!("is not a header: {error}")))
            });
            match header {
                Ok(header) => headers.push((rpc_url.clone(), header)),
                Err(error) => missing.push(error),
            }
        }
        (Self(headers), missing)
    }
}

impl Secrets {
    /// Reads every secret that the configuration names.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Secret`] when a file is missing, can be read by others, or has the wrong content. The error
    /// names the key and the file, never the content.
    pub fn read(config: &Config) -> Result<Self, ConfigError> {
        let (secrets, missing) = Self::read_for_settling(config)?;
        match missing.into_iter().next() {
            None => Ok(secrets),
            Some(error) => Err(error),
        }
    }

    /// Reads the secrets that can be read, and returns an error for each of the others. Without the token no caller is
    /// accepted ([`ApiToken::of_nobody`]).
    ///
    /// # Errors
    /// The error of the lane's key, without which nothing can be settled.
    pub fn read_for_settling(config: &Config) -> Result<(Self, Vec<ConfigError>), ConfigError> {
        let (headers, mut missing) = EndpointHeaders::read(config);
        let mut recipients = HashMap::new();
        for recipient in &config.recipients {
            let (Some(source), Address::Account(account)) = (&recipient.secret, recipient.address) else {
                continue;
            };
            match recipient_key(account, source) {
                Ok(key) => drop(recipients.insert(account, key)),
                Err(error) => missing.push(error),
            }
        }
        let mut unless_missing = |error| missing.push(error);
        let webhook = config.notify.webhook_secret.as_ref().map(WebhookSecret::read).transpose();
        let webhook = webhook.map_err(&mut unless_missing).ok().flatten();
        let lane = key("lane.secret", &config.lane.secret)?;
        let token = ApiToken::read(&config.token).map_err(unless_missing).unwrap_or_else(|()| ApiToken::of_nobody());
        Ok((Self { token, lane, recipients, webhook, headers }, missing))
    }
}

fn recipient_key(account: AccountId, source: &SecretSource) -> Result<SecretKey, ConfigError> {
    let what = format!("the secret of recipient {account}");
    let key = key(&what, source)?;
    if key.account() != account {
        return Err(wrong(&what, source, &format!("is the key of another account, {}", key.account())));
    }
    Ok(key)
}

/// The API's bearer token. It is compared in constant time.
pub struct ApiToken(Zeroizing<String>);

impl ApiToken {
    /// Reads the token from its place.
    ///
    /// # Errors
    /// Those of [`Secrets::read`], and an error for a token that is shorter than 32 characters or has other characters
    /// than visible ASCII.
    pub fn read(source: &SecretSource) -> Result<Self, ConfigError> {
        shared_secret("token", source).map(Self)
    }

    /// Makes a token from memory, for tests and generators.
    pub fn new(token: Zeroizing<String>) -> Self {
        Self(token)
    }

    /// A token that nobody can present.
    pub fn of_nobody() -> Self {
        Self(Zeroizing::default())
    }

    /// Whether `presented` is the token. The time does not depend on where it differs.
    pub fn is(&self, presented: &str) -> bool {
        !self.0.is_empty() && self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// The token, for the header of a request that this process makes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The secret that signs the messages to the webhook.
pub struct WebhookSecret(Zeroizing<String>);

impl WebhookSecret {
    fn read(source: &SecretSource) -> Result<Self, ConfigError> {
        shared_secret("notify.webhook_secret", source).map(Self)
    }

    /// Makes a secret from memory, for tests and generators.
    pub fn new(secret: Zeroizing<String>) -> Self {
        Self(secret)
    }

    /// The secret, for signing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Reads a secret that two programs share. It must be long enough, and have only characters that a header can carry.
fn shared_secret(what: &str, source: &SecretSource) -> Result<Zeroizing<String>, ConfigError> {
    let secret = read(what, source)?;
    if secret.len() < SHORTEST_TOKEN || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected =
            format!("must be {SHORTEST_TOKEN} or more visible ASCII characters, such as `openssl rand -hex 32` prints");
        return Err(wrong(what, source, &expected));
    }
    Ok(secret)
}

fn key(what: &str, source: &SecretSource) -> Result<SecretKey, ConfigError> {
    read(what, source)?
        .parse()
        .map_err(|_| wrong(what, source, "is not a secret key: expected S... of 56 characters and nothing else"))
}

/// Reads a secret's text, without the white space around it.
fn read(what: &str, source: &SecretSource) -> Result<Zeroizing<String>, ConfigError> {
    let (path, allowed) = match source {
        // Only the owner may read the file.
        SecretSource::File(path) => (path.clone(), 0o700),
        // The volume's driver sets owner and mode. The group may read the file, and nobody may write it.
        SecretSource::Mounted(path) => (path.clone(), 0o540),
        // systemd gives the service's user access with an access control list, whose mask shows as the group's bits.
        SecretSource::Credential(name) => (credential(what, name)?, 0o770),
    };
    let failed = |error: std::io::Error| wrong(what, source, &format!("cannot be read: {error}"));
    let mut file = File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(wrong(what, source, "is not a file"));
    }
    if matches!(source, SecretSource::Mounted(_)) && !own_groups().contains(&metadata.gid()) {
        let why = format!("belongs to the group {}, which this process is not in", metadata.gid());
        return Err(wrong(what, source, &why));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & !allowed != 0 {
        let expected = match source {
            SecretSource::Mounted(_) => "have the volume mounted with mode 0440 (defaultMode: 288)".to_owned(),
            _ => format!("make it yours alone with `chmod 600 {}`", path.display()),
        };
        let why = format!("can be read or written by others (mode {mode:04o}): {expected}");
        return Err(wrong(what, source, &why));
    }
    // The string has its full size from the start, since a string that grows leaves copies of the secret in memory.
    let room = usize::try_from(metadata.len().min(LONGEST_SECRET)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room + 1));
    file.by_ref().take(LONGEST_SECRET).read_to_string(&mut text).map_err(failed)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// The groups of this process.
fn own_groups() -> Vec<u32> {
    let mut groups: Vec<u32> =
        rustix::process::getgroups().unwrap_or_default().into_iter().map(rustix::process::Gid::as_raw).collect();
    groups.push(rustix::process::getegid().as_raw());
    groups
}

fn credential(what: &str, name: &str) -> Result<PathBuf, ConfigError> {
    let no = |why: &str| ConfigError::new(ConfigErrorKind::Secret, format!("{what}: the credential {name:?} {why}"));
    if name.is_empty() || name.contains('/') {
        return Err(no("is not a name: expected the file name of a systemd credential"));
    }
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        no("cannot be found: CREDENTIALS_DIRECTORY is not set; start the watcher by systemd with LoadCredential=, or name a file")
    })?;
    Ok(Path::new(&directory).join(name))
}

fn wrong(what: &str, source: &SecretSource, why: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Secret, format!("{what}: {} {why}", source.place()))
}

impl SecretSource {
    /// Where the secret lies, in words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::File(path) | Self::Mounted(path) => format!("the file {}", path.display()),
            Self::Credential(name) => format!("the credential {name:?}"),
        }
    }
}
