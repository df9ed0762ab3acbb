//! Limits how much may be signed. Pure.

use paychan_channel::{Amount, ContractId};
use serde::{Deserialize, Serialize};

/// Caps in base units. `None` means no cap. What counts is how much a signature raises the recipient's total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// The cap for the price of one request.
    pub per_request: Option<Amount>,
    /// The cap for all payments to one host.
    pub per_host: Option<Amount>,
    /// The cap for all payments through one channel.
    pub per_channel: Option<Amount>,
    /// The cap for all payments of a day, UTC.
    pub per_day: Option<Amount>,
    /// The cap for all payments.
    pub total: Option<Amount>,
}

/// What was signed so far, base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignedAway {
    /// To this host.
    pub host: Amount,
    /// Through this channel.
    pub channel: Amount,
    /// Today.
    pub today: Amount,
    /// In total.
    pub total: Amount,
}

/// A cap that a payment would exceed. Nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} would be {would_be} base units, but the cap is {cap}; nothing was signed. Raise the cap if you want this payment"
)]
pub struct CapExceeded {
    /// The amount that is capped.
    pub what: String,
    /// Its value with the payment.
    pub would_be: Amount,
    /// The cap.
    pub cap: Amount,
}

impl Caps {
    /// Checks that a request of this price, whose voucher raises the signed total by `raise`, keeps all caps.
    ///
    /// # Errors
    /// [`CapExceeded`] for the first cap that it exceeds.
    pub fn check(
        &self,
        price: Amount,
        raise: Amount,
        host: &str,
        channel: &ContractId,
        so_far: &SignedAway,
    ) -> Result<(), CapExceeded> {
        let rules = [
            (self.per_request, price, "the price of one request".to_owned()),
            (self.per_host, so_far.host.saturating_add(raise), format!("what is paid to {host}")),
            (self.per_channel, so_far.channel.saturating_add(raise), format!("what is paid through {channel}")),
            (self.per_day, so_far.today.saturating_add(raise), "what is paid today".to_owned()),
            (self.total, so_far.total.saturating_add(raise), "what is paid in all".to_owned()),
        ];
        for (cap, would_be, what) in rules {
            if let Some(cap) = cap.filter(|cap| would_be > *cap) {
                return Err(CapExceeded { what, would_be, cap });
            }
        }
        Ok(())
    }

    /// The lower cap of each kind from two sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<Amount>, b: Option<Amount>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            per_request: least(self.per_request, other.per_request),
            per_host: least(self.per_host, other.per_host),
            per_channel: least(self.per_channel, other.per_channel),
            per_day: least(self.per_day, other.per_day),
            total: least(self.total, other.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ContractId = ContractId([1; 32]);

    #[test]
    fn each_cap_holds_on_its_own() {
        let ten = Some(Amount::from(10));
        let none = Caps::default();
        let sums = |amount: u64| {
            let amount = Amount::from(amount);
            SignedAway { host: amount, channel: amount, today: amount, total: amount }
        };
        for caps in [
            Caps { per_host: ten, ..none },
            Caps { per_channel: ten, ..none },
            Caps { per_day: ten, ..none },
            Caps { total: ten, ..none },
        ] {
            let check = |raise: u64, so_far| caps.check(Amount::ZERO, raise.into(), "h", &CHANNEL, &sums(so_far));
            assert_eq!(check(4, 6), Ok(()), "{caps:?}");
            assert!(check(5, 6).is_err(), "{caps:?}");
            assert_eq!(check(0, 10), Ok(()), "what was signed before may be sent again");
        }
        let caps = Caps { per_request: ten, ..none };
        assert!(caps.check(11_u64.into(), Amount::ZERO, "h", &CHANNEL, &sums(0)).is_err());
        assert_eq!(none.and(caps), caps);
        assert_eq!(
            Caps { total: Some(3_u64.into()), ..none }.and(Caps { total: ten, ..none }).total,
            Some(3_u64.into())
        );
    }
}
