//! Says what a transaction of the watcher means, which bounds what an endpoint's simulation may add to it. Pure.

use paychan_channel::{Ledger, Stroops};
use paychan_rpc::Meaning;
use paychan_rpc::meaning::{Authorization, Entries};

use crate::chain::Call;
use crate::config::Fees;
use crate::policy;
use crate::view::ChannelView;

/// The meaning of a settlement or a close. Only the recipient may authorize it, and only where the call needs that. It
/// may touch only the entries of the channel, its token and the parties. When the channel was not read since the start,
/// its entries are not known, and only the fee is bounded.
pub(super) fn of_payout(call: &Call, known: Option<&ChannelView>, head: Ledger, fees: &Fees) -> Meaning {
    let authorization = match call {
        Call::Settle { authorized_by: None, .. } | Call::Extend { .. } | Call::Restore { .. } => Authorization::Nobody,
        Call::Settle { authorized_by: Some(_), .. } | Call::Close { .. } => Authorization::by_source(),
    };
    // The transaction restores archived entries, and pays their rent again.
    let restores = known.is_none_or(|known| policy::has_archived(known, head));
    Meaning {
        authorization,
        entries: known.map_or(Entries::Any, |known| Entries::of_channel(&known.state)),
        max_resource_fee: if restores { fees.max_restoration_fee } else { fees.max_resource_fee },
    }
}

/// The meaning of extending lives or restoring: the entries that the call itself names, for at most this fee.
pub(super) fn of_entries(max_resource_fee: Stroops) -> Meaning {
    Meaning { authorization: Authorization::Nobody, entries: Entries::Any, max_resource_fee }
}

#[cfg(test)]
mod tests {
    use paychan_channel::{AccountId, Amount, ChannelState, ContractId, Signature, TokenKind};

    use super::*;
    use crate::fixtures::{HEAD, channel_view, config, state};

    fn settle(authorized_by: Option<AccountId>) -> Call {
        let (channel, amount) = (ContractId([1; 32]), Amount::ZERO);
        Call::Settle { channel, amount, signature: Signature([0; 64]), authorized_by }
    }

    #[test]
    fn a_settlement_is_authorized_by_nobody_unless_its_code_wants_the_recipient() {
        let fees = config().fees;
        let of = |call: &Call| of_payout(call, Some(&channel_view(state())), HEAD, &fees).authorization;
        assert_eq!(of(&settle(None)), Authorization::Nobody);
        assert_eq!(of(&settle(Some(AccountId([4; 32])))), Authorization::by_source());
    }

    #[test]
    fn a_settlement_touches_its_channels_entries_and_may_pay_rent_only_when_it_restores() {
        let fees = config().fees;
        let open = of_payout(&settle(None), Some(&channel_view(state())), HEAD, &fees);
        assert_eq!((open.entries, open.max_resource_fee), (Entries::of_channel(&state()), fees.max_resource_fee));
        let mut archived = state();
        archived.lives.code = Some(Ledger(HEAD.0 - 1));
        let archived = of_payout(&settle(None), Some(&channel_view(archived)), HEAD, &fees);
        assert_eq!(archived.max_resource_fee, fees.max_restoration_fee);
        let unread = of_payout(&settle(None), None, HEAD, &fees);
        assert_eq!((unread.entries, unread.max_resource_fee), (Entries::Any, fees.max_restoration_fee));
        let own_code = ChannelState { token_kind: TokenKind::Unknown, ..state() };
        assert_eq!(of_payout(&settle(None), Some(&channel_view(own_code)), HEAD, &fees).entries, Entries::Any);
    }
}
