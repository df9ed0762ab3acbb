//! The position of an event: ledger, transaction, operation, event. Its text form is the `id` and the paging cursor of
//! getEvents.

use std::fmt;

/// The greatest transaction index of a cursor: 20 bits (SEP-35, TOID).
pub(crate) const MAX_TRANSACTION: u32 = (1 << 20) - 1;
/// The greatest operation index of a cursor: 12 bits (SEP-35, TOID).
pub(crate) const MAX_OPERATION: u32 = (1 << 12) - 1;

/// The position of an event; the order of fields is the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    pub(crate) ledger: u32,
    /// Counted from 1. 0 is before all transactions, [`MAX_TRANSACTION`] is after all of them.
    pub(crate) transaction: u32,
    pub(crate) operation: u32,
    pub(crate) event: u32,
}

impl Cursor {
    /// The position before every event of a ledger.
    pub(crate) fn start_of(ledger: u32) -> Self {
        Self { ledger, transaction: 0, operation: 0, event: 0 }
    }

    /// The position after every event of a ledger.
    pub(crate) fn end_of(ledger: u32) -> Self {
        Self { ledger, transaction: MAX_TRANSACTION, operation: MAX_OPERATION, event: u32::MAX }
    }

    /// Ledger, transaction and operation in one number (SEP-35).
    pub(crate) fn position(&self) -> u64 {
        (u64::from(self.ledger) << 32) | (u64::from(self.transaction) << 12) | u64::from(self.operation)
    }

    /// Reads the text form. Answers `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (position, event) = text.split_once('-')?;
        let position: u64 = position.parse().ok().filter(|_| position.bytes().all(|b| b.is_ascii_digit()))?;
        let event = event.parse().ok().filter(|_| event.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Self {
            ledger: u32::try_from(position >> 32).ok()?,
            transaction: u32::try_from((position >> 12) & u64::from(MAX_TRANSACTION)).ok()?,
            operation: u32::try_from(position & u64::from(MAX_OPERATION)).ok()?,
            event,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:019}-{:010}", self.position(), self.event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_position_survives_its_text_form_and_texts_sort_as_positions(
            a in position(), b in position(),
        ) {
            prop_assert_eq!(Cursor::parse(&a.to_string()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".*") {
            let _ = Cursor::parse(&text);
        }
    }

    prop_compose! {
        // Ledgers are numbered up to 2^31.
        fn position()(
            ledger in 0..1_u32 << 31,
            transaction in 0..=MAX_TRANSACTION,
            operation in 0..=MAX_OPERATION,
            event: u32,
        ) -> Cursor {
            Cursor { ledger, transaction, operation, event }
        }
    }

    #[test]
    fn the_text_form_is_that_of_the_public_server() {
        let cursor = Cursor { ledger: 1_234, transaction: 1, operation: 0, event: 3 };
        assert_eq!(cursor.to_string(), "0000005299989647360-0000000003");
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        let end = Cursor::end_of(9);
        assert_eq!(Cursor::parse(&end.to_string()), Some(end));
        assert!(Cursor::start_of(10) > end);
    }

    #[test]
    fn texts_that_are_no_cursor_are_refused() {
        for text in ["", "12", "a-b", "12-", "-1", "+1-1", "99999999999999999999-1", "1-4294967296"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
