//! The keys and values of the index's table.

use paychan_channel::Amount;

use super::IndexError;
use crate::digest::Digest;
use crate::journal::record::codec::{DecodeError, Field, Reader};
use crate::request::Remembered;

pub(super) fn key(kind: u8, channel: u32, digest: Digest) -> [u8; 21] {
    let mut key = [kind; 21];
    key[1..5].copy_from_slice(&channel.to_be_bytes());
    key[5..].copy_from_slice(&digest.0);
    key
}

pub(super) fn prefix(kind: u8, channel: u32) -> [u8; 5] {
    let [a, b, c, d] = channel.to_be_bytes();
    [kind, a, b, c, d]
}

pub(super) fn digest_in(doing: &'static str, key: &[u8]) -> Result<Digest, IndexError> {
    decoded(doing, key.get(5..).unwrap_or_default())
}

pub(super) fn bytes_of(fields: &impl Field) -> Vec<u8> {
    let mut bytes = Vec::new();
    fields.write(&mut bytes);
    bytes
}

/// The number in six bytes, then price?, offered?, previous, highest, spent: each is the count of its bytes without
/// leading zeros and then those bytes, or [`ABSENT`]. There may be ten million requests, so they are short.
pub(super) fn put_request(doing: &'static str, request: &Remembered) -> Result<Vec<u8>, IndexError> {
    let mut value = Vec::with_capacity(40);
    value.extend_from_slice(&six_bytes(doing, request.number)?);
    let known = [request.previous, request.highest, request.spent].map(Some);
    for amount in [request.price, request.offered].into_iter().chain(known) {
        put_short(amount, &mut value);
    }
    Ok(value)
}

pub(super) fn request(doing: &'static str, digest: Digest, value: &[u8]) -> Result<Remembered, IndexError> {
    let read = || {
        let mut from = Reader::new(value);
        let number = number_of_six(&mut from)?;
        let (price, offered) = (short(&mut from)?, short(&mut from)?);
        let mut known = || short(&mut from)?.ok_or(DecodeError::Short);
        let (previous, highest, spent) = (known()?, known()?, known()?);
        from.finish()?;
        Ok(Remembered { digest, number, price, offered, previous, highest, spent, credited: None })
    };
    read().map_err(|error: DecodeError| IndexError::new(doing, error))
}

pub(super) fn put_credit(doing: &'static str, number: u64, amount: Amount) -> Result<Vec<u8>, IndexError> {
    let mut value = six_bytes(doing, number)?.to_vec();
    amount.write(&mut value);
    Ok(value)
}

/// The number of the request, and how much of it was credited.
pub(super) fn credit(doing: &'static str, value: &[u8]) -> Result<(u64, Amount), IndexError> {
    let read = || {
        let mut from = Reader::new(value);
        let credit = (number_of_six(&mut from)?, Field::read(&mut from)?);
        from.finish()?;
        Ok(credit)
    };
    read().map_err(|error: DecodeError| IndexError::new(doing, error))
}

impl Remembered {
    /// Notes the credit, if it belongs to this request: the same id may have been used for an earlier one.
    pub(super) fn credit(&mut self, (number, amount): (u64, Amount)) {
        if number == self.number {
            self.credited = Some(amount);
        }
    }
}

fn six_bytes(doing: &'static str, number: u64) -> Result<[u8; 6], IndexError> {
    match number.to_be_bytes() {
        [0, 0, number @ ..] => Ok(number),
        _ => Err(IndexError::new(doing, "a channel has too many requests")),
    }
}

fn number_of_six(from: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let mut number = [0; 8];
    number[2..].copy_from_slice(from.take(6)?);
    Ok(u64::from_be_bytes(number))
}

/// Stands in the place of an amount's length where there is no amount.
const ABSENT: u8 = 0xff;

fn put_short(amount: Option<Amount>, out: &mut Vec<u8>) {
    let Some(amount) = amount else {
        return out.push(ABSENT);
    };
    let bytes = amount.get().to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let short = &bytes[zeros..];
    out.push(u8::try_from(short.len()).expect("an amount has 16 bytes"));
    out.extend_from_slice(short);
}

fn short(from: &mut Reader<'_>) -> Result<Option<Amount>, DecodeError> {
    let length = u8::read(from)?;
    if length == ABSENT {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    let start = 16_usize.checked_sub(length.into()).ok_or(DecodeError::Unknown { what: "length", found: length })?;
    bytes[start..].copy_from_slice(from.take(length.into())?);
    Amount::new(i128::from_be_bytes(bytes)).map(Some).map_err(|_| DecodeError::Negative)
}

pub(super) fn decoded<T: Field>(doing: &'static str, bytes: &[u8]) -> Result<T, IndexError> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader).map_err(|error| IndexError::new(doing, error))?;
    reader.finish().map_err(|error| IndexError::new(doing, error))?;
    Ok(value)
}
