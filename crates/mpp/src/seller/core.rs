//! The seller decides whether a request is paid, and takes the payment.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use paychan_channel::{Amount, ContractId};
use paychan_watcher_api::{ChannelStatus, Client, ClientError, ProblemKind};

use super::admissions::{AdmissionLimits, Admissions, Begun};
use super::asked::Asked;
use super::charges::{Charges, ChargesError, Standing};
use super::check::{self, Checked, Flaw, Pinned};
use super::decision::{Decision, Ended, Refusal};
use super::fixed::FixedChannels;
use super::memory::Memory;
use super::refused;
use super::request_id::{self, Target};
use crate::problem::{OpeningTerms, ProblemBody, ProblemType};
use crate::wire::{
    Action, Challenge, ChallengeSecrets, ChallengeTerms, ChannelRequest, INTENT, METHOD, MethodDetails, NetworkName,
    Payload, Receipt, Timestamp, WireError,
};

/// How long a challenge can be paid. The reference server has five minutes too.
const CHALLENGE_LIFE: Duration = Duration::from_secs(300);
/// How long a payer who asks for a close waits for it.
const CLOSE_WAIT: Duration = Duration::from_secs(20);
/// The seconds after which a payer should ask again when the seller can't take money.
const ASK_AGAIN: u32 = 2;

/// The options of a seller.
pub struct SellerOptions {
    /// The owner of the prices: the API's host name.
    pub realm: String,
    /// The network of the payments.
    pub network: NetworkName,
    /// The secrets that make challenges.
    pub secrets: ChallengeSecrets,
    /// How long a challenge can be paid.
    pub challenge_life: Duration,
    /// How long a payer who asks for a close waits for it.
    pub close_wait: Duration,
    /// The channels of paths, for clients that can't name one.
    pub fixed_channels: FixedChannels,
    /// The terms for payers who have no channel yet.
    pub opening_terms: Option<OpeningTerms>,
    /// The limits of first vouchers on unknown channels.
    pub admissions: AdmissionLimits,
    /// How many proxies each request passes before it comes here, such as 1 behind an nginx that appends to
    /// `X-Forwarded-For` (`$proxy_add_x_forwarded_for`). The payer's address is then the entry that the first of them wrote:
    /// the last entry of that header with one proxy, and the last but one with two. 0 by default: nobody is believed. With more
    /// than there are, payers can make addresses up.
    pub trusted_proxies: usize,
}

impl SellerOptions {
    /// The usual options.
    pub fn new(realm: impl Into<String>, network: NetworkName, secrets: ChallengeSecrets) -> Self {
        Self {
            realm: realm.into(),
            network,
            secrets,
            challenge_life: CHALLENGE_LIFE,
            close_wait: CLOSE_WAIT,
            fixed_channels: FixedChannels::default(),
            opening_terms: None,
            admissions: AdmissionLimits::default(),
            trusted_proxies: 0,
        }
    }

    /// The usual options, with the network and the terms for new channels of this watcher.
    ///
    /// # Errors
    /// [`ClientError`] when the watcher does not answer.
    pub async fn of_watcher(
        watcher: &Client,
        realm: impl Into<String>,
        secrets: ChallengeSecrets,
    ) -> Result<Self, ClientError> {
        let terms = watcher.terms().await?;
        let opening_terms = OpeningTerms::of_watcher(&terms);
        Ok(Self { opening_terms, ..Self::new(realm, NetworkName::of_passphrase(&terms.network), secrets) })
    }
}

/// Why a seller can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The realm can't be part of a challenge.
    #[error(
        "the realm {0:?} can't stand in a challenge; expected printable characters without `|`, such as api.example.com"
    )]
    Realm(String),
}

/// Sells requests. It is cheap to clone.
pub struct Seller<C>(pub(super) Arc<Inner<C>>);

impl<C> Clone for Seller<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Inner<C> {
    pub(super) charges: C,
    pub(super) options: SellerOptions,
    memory: Mutex<Memory>,
    admissions: Admissions,
}

impl<C: Charges> Seller<C> {
    /// Makes a seller. `charges` takes its payments.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(charges: C, options: SellerOptions) -> Result<Self, BuildError> {
        let printable = options.realm.chars().all(|c| !c.is_control());
        if options.realm.is_empty() || options.realm.contains('|') || !printable {
            return Err(BuildError::Realm(options.realm));
        }
        Ok(Self(Arc::new(Inner {
            charges,
            admissions: Admissions::new(options.admissions),
            options,
            memory: Mutex::default(),
        })))
    }

    /// Decides about a request. With [`Decision::Sell`] the price has been taken.
    pub async fn decide(&self, asked: &Asked<'_>) -> Decision {
        match self.decided(asked).await {
            Ok(decision) => decision,
            Err(flaw) => Decision::Refuse(Box::new(self.refusal(asked, flaw).await)),
        }
    }

    async fn decided(&self, asked: &Asked<'_>) -> Result<Decision, Flaw> {
        let credential = check::credential(asked)?;
        check::idempotency_key(asked)?;
        let channel = self.channel_of(asked)?;
        let Some(credential) = credential else {
            return Err(match channel {
                Some(_) => Flaw::new(ProblemType::PaymentRequired, "this request has to be paid for"),
                None => Flaw::new(ProblemType::ChannelRequired, "the request names no channel for its payment"),
            });
        };
        let options = &self.0.options;
        let pinned = Pinned {
            secrets: &options.secrets,
            realm: &options.realm,
            network: &options.network,
            channel,
            now: Timestamp::now(),
        };
        let decided = match check::check(&credential, asked, &pinned) {
            Err(flaw) => Err(flaw),
            Ok(checked) => {
                let decided = match checked.payload.action {
                    Action::Voucher => self.sell(asked, &checked).await,
                    Action::Close => match &checked.lapsed {
                        Some(flaw) => Err(flaw.clone()),
                        None => self.end(&checked).await,
                    },
                };
                match decided {
                    Err(flaw) => Err(self.with_proof(flaw, &checked).await),
                    decided => decided,
                }
            }
        };
        decided.map_err(|flaw| Flaw { channel: check::channel_of(&credential, &options.secrets), ..flaw })
    }

    /// The channel that the request names for its payment, if it names one.
    fn channel_of(&self, asked: &Asked<'_>) -> Result<Option<ContractId>, Flaw> {
        match asked.session {
            Some(named) => {
                let named = std::str::from_utf8(named).ok().and_then(|text| text.trim().parse().ok());
                named.map(Some).ok_or_else(|| {
                    Flaw::new(ProblemType::BadRequest, "the header Payment-Session is not a channel's address (C...)")
                })
            }
            None => Ok(self.0.options.fixed_channels.of_path(asked.path)),
        }
    }

    /// Ends a channel with the total that the payer signed.
    async fn end(&self, checked: &Checked) -> Result<Decision, Flaw> {
        let Checked { channel, payload: Payload { amount, signature, .. }, .. } = checked;
        let agreed = paychan_watcher_api::SignedAmount { amount: *amount, signature: *signature };
        let charges = &self.0.charges;
        let wait = self.0.options.close_wait;
        let mut ended = charges.close(channel, agreed, wait).await;
        if is_refused_as(&ended, &ProblemKind::CloseAboveHighest) {
            // Clients sign a close above everything before it, so it is first taken as a prepayment.
            let id = request_id::of_sale(&checked.challenge_id, channel, &checked.payload, Target::of("close"));
            charges.prepay(channel, agreed, &id).await.map_err(|error| refused::flaw(&error))?;
            ended = charges.close(channel, agreed, wait).await;
        }
        let ended = ended.map_err(|error| refused::flaw(&error))?;
        let reference = ended.transaction.clone().unwrap_or_else(|| checked.challenge_id.clone());
        let receipt = Receipt {
            accepted_cumulative: Some(ended.amount),
            channel: Some(*channel),
            challenge_id: Some(checked.challenge_id.clone()),
            ..Receipt::success(reference, Timestamp::now().to_text())
        };
        let status = if ended.state.is_over() { http::StatusCode::OK } else { http::StatusCode::ACCEPTED };
        Ok(Decision::Ended(Box::new(Ended {
            channel: *channel,
            status,
            state: ended.state,
            transaction: ended.transaction,
            amount: ended.amount,
            receipt,
        })))
    }

    /// Admits a channel at the watcher, within the limits.
    pub(super) async fn admit(&self, channel: &ContractId, peer: Option<IpAddr>) -> Result<Standing, Flaw> {
        let admissions = &self.0.admissions;
        match admissions.begin(channel, peer).await? {
            Begun::Admit(_admitting) => {
                let admitted = self.0.charges.admit(channel).await;
                let standing = admitted.map_err(|error| admissions.refused(channel, refused::flaw(&error)))?;
                self.remember_standing(channel, standing);
                Ok(standing)
            }
            Begun::Ended => {
                admissions.check_refusal(channel)?;
                self.with_memory(|memory| memory.standings.get(channel)).ok_or_else(|| {
                    let why = "the channel could not be read from the chain at the moment; nothing was taken";
                    Flaw::new(ProblemType::Unavailable, why)
                })
            }
        }
    }

    /// What is known of a channel, from memory or from the watcher. `None` when the watcher does not watch it.
    pub(super) async fn standing(&self, channel: &ContractId) -> Result<Option<Standing>, ChargesError> {
        let known = self.with_memory(|memory| memory.standings.get(channel));
        if known.is_some() {
            return Ok(known);
        }
        match self.0.charges.standing(channel).await {
            Ok(standing) => {
                self.remember_standing(channel, standing);
                Ok(Some(standing))
            }
            Err(ChargesError::Refused(problem)) if problem.kind == ProblemKind::UnknownChannel => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remember_standing(&self, channel: &ContractId, standing: Standing) {
        self.with_memory(|memory| memory.standings.put(channel, standing));
    }

    pub(super) fn with_memory<T>(&self, of: impl FnOnce(&mut Memory) -> T) -> T {
        // The memory does not decide about money, so after a panic it is used as it is.
        of(&mut self.0.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The refusal with a new challenge, if the request can be paid.
    pub(super) async fn refusal(&self, asked: &Asked<'_>, flaw: Flaw) -> Refusal {
        let mut flaw = flaw;
        let mut challenge = None;
        if flaw.problem.status() == http::StatusCode::PAYMENT_REQUIRED {
            match self.challenge(asked, flaw.channel).await {
                Ok(made) => challenge = made,
                Err(other) => flaw = other,
            }
        }
        let mut details = *flaw.details;
        if matches!(flaw.problem, ProblemType::ChannelRequired | ProblemType::ChannelRefused) {
            details.insert("network".to_owned(), self.0.options.network.as_str().into());
            if let Some(terms) = &self.0.options.opening_terms {
                details.extend(terms.details());
            }
        }
        let mut body = ProblemBody::new(flaw.problem, flaw.detail, details);
        body.challenge_id = challenge.as_ref().map(|challenge| challenge.id.clone());
        let waits = matches!(
            flaw.problem,
            ProblemType::Unavailable | ProblemType::OutcomeUnknown | ProblemType::InProgress | ProblemType::Internal
        );
        let retry_after = flaw.retry_after.or(waits.then_some(ASK_AGAIN));
        Refusal { status: flaw.problem.status(), body, challenge, retry_after }
    }

    /// A challenge for this request; `None` when no channel for its payment is known.
    async fn challenge(&self, asked: &Asked<'_>, paid_through: Option<ContractId>) -> Result<Option<Challenge>, Flaw> {
        let Some(channel) = self.channel_of(asked)?.or(paid_through) else {
            return Ok(None);
        };
        let standing = self.standing(&channel).await.map_err(|error| refused::flaw(&error))?;
        match standing.map(|standing| (standing.status, standing.fenced)) {
            Some((ChannelStatus::Final, _)) => {
                return Err(Flaw::new(ProblemType::ChannelFinalized, "the channel has ended"));
            }
            Some((ChannelStatus::Closing, _) | (_, true)) => {
                return Err(Flaw::new(ProblemType::ChannelClosing, "the channel is being closed"));
            }
            _ => {}
        }
        self.issue(asked, &channel, standing).map(Some).map_err(|error| {
            tracing::error!(%error, "a challenge can't be made");
            Flaw::new(ProblemType::Internal, "no challenge can be made for this request")
        })
    }

    fn issue(
        &self,
        asked: &Asked<'_>,
        channel: &ContractId,
        standing: Option<Standing>,
    ) -> Result<Challenge, WireError> {
        let options = &self.0.options;
        let amount = asked.price.charged();
        let request = ChannelRequest {
            amount,
            channel: *channel,
            external_id: None,
            method_details: MethodDetails {
                reference: Some(random_uuid()?),
                network: Some(options.network.as_str().to_owned()),
                cumulative_amount: Some(standing.map_or(Amount::ZERO, |standing| base(&standing, amount))),
            },
        };
        let terms = ChallengeTerms {
            realm: options.realm.clone(),
            method: METHOD.to_owned(),
            intent: INTENT.to_owned(),
            request: request.encode()?,
            expires: Some(Timestamp::now().after(options.challenge_life).to_text()),
            description: asked.description.map(str::to_owned),
            digest: None,
            opaque: Some(check::scope_text(&asked.scope)?),
            header: None,
        };
        terms.issue(options.secrets.current())
    }
}

/// The total to which the payer adds the price. It is what is spent, or more, so that the sum is above the highest
/// commitment. If credit is left, the sum is one base unit above the highest, since the payer signs for each purchase
/// and each signature raises the total.
fn base(standing: &Standing, price: Amount) -> Amount {
    let above_highest = standing.highest.saturating_add(Amount::from(1)).saturating_sub(price);
    standing.spent.max(above_highest)
}

pub(super) fn is_refused_as<T>(result: &Result<T, ChargesError>, kind: &ProblemKind) -> bool {
    matches!(result, Err(ChargesError::Refused(problem)) if problem.kind == *kind)
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> Result<String, WireError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| WireError::Json(format!("no random bytes: {error}")))?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex::encode(bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}
