//! How fields are encoded in a record: integers are big-endian, and a length or a count precedes what has no fixed
//! size.

use paychan_channel::{AccountId, Address, Amount, ContractId, Layout, Ledger, Signature, Stroops, WasmHash};

use crate::digest::Digest;
use crate::{RequestId, RequestIdError};

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("it ends within a field")]
    Short,
    #[error("{0} bytes are left after its last field")]
    Trailing(usize),
    #[error("its {what} is {found}, which this version does not know")]
    Unknown { what: &'static str, found: u8 },
    #[error("its amount is negative")]
    Negative,
    #[error("its request id is not valid: {0}")]
    RequestId(#[from] RequestIdError),
    #[error("its text is not UTF-8")]
    NotText,
}

/// A type that can be a field of a record. Each value has exactly one encoding.
pub(crate) trait Field: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the field. This never panics, whatever the bytes are, and never reserves memory that the bytes do not
    /// fill.
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Makes a struct a field: its fields one after another, in the order given.
macro_rules! fields {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::journal::record::codec::Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)+
            }

            fn read(
                from: &mut $crate::journal::record::codec::Reader<'_>,
            ) -> Result<Self, $crate::journal::record::codec::DecodeError> {
                Ok(Self { $($field: $crate::journal::record::codec::Field::read(from)?),+ })
            }
        }
    };
}
pub(crate) use fields;

/// The bytes of a record that were not read yet.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Checks that nothing is left: otherwise one record would have two encodings.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(u32::read(self)?).map_err(|_| DecodeError::Short)
    }
}

impl<const N: usize> Field for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (taken, rest) = from.0.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        from.0 = rest;
        Ok(*taken)
    }
}

macro_rules! integer {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(<$type>::from_be_bytes(Field::read(from)?))
            }
        }
    )+};
}
integer!(u8, u32, u64, i64, i128);

macro_rules! newtype {
    ($($type:ident),+) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok($type(Field::read(from)?))
            }
        }
    )+};
}
newtype!(ContractId, AccountId, WasmHash, Signature, Ledger, Stroops, Digest);

impl Field for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::Unknown { what: "yes or no", found }),
        }
    }
}

impl Field for Amount {
    fn write(&self, out: &mut Vec<u8>) {
        self.get().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Amount::new(i128::read(from)?).map_err(|_| DecodeError::Negative)
    }
}

impl Field for Address {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Address::Account(id) => (0_u8, *id).write(out),
            Address::Contract(id) => (1_u8, *id).write(out),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            0 => Ok(Address::Account(Field::read(from)?)),
            1 => Ok(Address::Contract(Field::read(from)?)),
            found => Err(DecodeError::Unknown { what: "address type", found }),
        }
    }
}

impl Field for Layout {
    fn write(&self, out: &mut Vec<u8>) {
        let number: u8 = match self {
            Layout::Paychan => 0,
            Layout::Reference => 1,
            Layout::Fork => 2,
        };
        number.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            0 => Ok(Layout::Paychan),
            1 => Ok(Layout::Reference),
            2 => Ok(Layout::Fork),
            found => Err(DecodeError::Unknown { what: "storage layout", found }),
        }
    }
}

/// Writes a length and then the bytes. Their number is limited before: for an id by its type, for an explanation by
/// `Outcome::bounded`, for the rest by the largest record.
fn write_sized(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    u32::try_from(length).expect("what is written is far below 4 GiB").write(out);
}

impl Field for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        write_sized(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = from.length()?;
        Ok(from.take(length)?.to_vec())
    }
}

impl Field for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_sized(self.as_bytes(), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        String::from_utf8(Field::read(from)?).map_err(|_| DecodeError::NotText)
    }
}

impl Field for RequestId {
    fn write(&self, out: &mut Vec<u8>) {
        write_sized(self.as_str().as_bytes(), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(RequestId::new(&String::read(from)?)?)
    }
}

/// A count and then that many values of one type. Bytes do not use it, since they are copied at once.
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: Field> Field for List<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(&self.0, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.length()?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(T::read(from)?);
        }
        Ok(List(values))
    }
}

pub(crate) fn write_list<T: Field>(values: &[T], out: &mut Vec<u8>) {
    write_length(values.len(), out);
    for value in values {
        value.write(out);
    }
}

impl Field for Vec<ContractId> {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(List::read(from)?.0)
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match bool::read(from)? {
            false => None,
            true => Some(T::read(from)?),
        })
    }
}

macro_rules! tuple {
    ($($name:ident),+) => {
        impl<$($name: Field),+> Field for ($($name,)+) {
            #[allow(non_snake_case, reason = "the values are named after their types")]
            fn write(&self, out: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.write(out);)+
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($name::read(from)?,)+))
            }
        }
    };
}
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
