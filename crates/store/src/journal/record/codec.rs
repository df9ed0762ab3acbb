//! Writing and reading the fields of a record: big-endian integers, lengths before what has no fixed size.

use paychan_channel::{AccountId, Address, Amount, ContractId, Layout, Ledger, Signature, Stroops, WasmHash};

use crate::{RequestId, RequestIdError};

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("it ends within a field")]
    Short,
    #[error("{0} bytes are left after its last field")]
    Trailing(usize),
    #[error("its {what} is {found}, which this version doesn't know")]
    Unknown { what: &'static str, found: u8 },
    #[error("its amount is negative")]
    Negative,
    #[error("its request id is none: {0}")]
    RequestId(#[from] RequestIdError),
    #[error("its text is not UTF-8")]
    NotText,
}

/// Collects the fields of one record.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(192);
        bytes.push(kind);
        Writer(bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i64(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn amount(self, amount: Amount) -> Self {
        self.raw(&amount.get().to_be_bytes())
    }

    pub(crate) fn channel(self, channel: ContractId) -> Self {
        self.raw(&channel.0)
    }

    pub(crate) fn ledger(self, ledger: Ledger) -> Self {
        self.u32(ledger.0)
    }

    pub(crate) fn stroops(self, stroops: Stroops) -> Self {
        self.i64(stroops.0)
    }

    pub(crate) fn address(self, address: Address) -> Self {
        match address {
            Address::Account(AccountId(id)) => self.u8(0).raw(&id),
            Address::Contract(ContractId(id)) => self.u8(1).raw(&id),
        }
    }

    pub(crate) fn layout(self, layout: Layout) -> Self {
        self.u8(match layout {
            Layout::Paychan => 0,
            Layout::Reference => 1,
            Layout::Fork => 2,
        })
    }

    /// A length and that many bytes. What is written here is bounded long before: an id by its type, an explanation by
    /// `Outcome::bounded`, the rest by the largest record.
    pub(crate) fn sized(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("what is written is far below 4 GiB");
        self.u32(length).raw(bytes)
    }

    pub(crate) fn request_id(self, id: &RequestId) -> Self {
        self.sized(id.as_str().as_bytes())
    }

    pub(crate) fn channels(mut self, channels: &[ContractId]) -> Self {
        let count = u32::try_from(channels.len()).expect("what is written is far below 4 GiB");
        self = self.u32(count);
        for channel in channels {
            self = self.channel(*channel);
        }
        self
    }

    pub(crate) fn option<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.u8(0),
            Some(value) => write(self.u8(1), value),
        }
    }
}

/// Takes a record apart. Never panics, whatever the bytes; never reserves memory that the bytes don't fill.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Nothing may be left: otherwise two encodings would mean one record.
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

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn amount(&mut self) -> Result<Amount, DecodeError> {
        Amount::new(i128::from_be_bytes(self.array()?)).map_err(|_| DecodeError::Negative)
    }

    pub(crate) fn channel(&mut self) -> Result<ContractId, DecodeError> {
        Ok(ContractId(self.array()?))
    }

    pub(crate) fn account(&mut self) -> Result<AccountId, DecodeError> {
        Ok(AccountId(self.array()?))
    }

    pub(crate) fn wasm_hash(&mut self) -> Result<WasmHash, DecodeError> {
        Ok(WasmHash(self.array()?))
    }

    pub(crate) fn signature(&mut self) -> Result<Signature, DecodeError> {
        Ok(Signature(self.array()?))
    }

    pub(crate) fn ledger(&mut self) -> Result<Ledger, DecodeError> {
        Ok(Ledger(self.u32()?))
    }

    pub(crate) fn stroops(&mut self) -> Result<Stroops, DecodeError> {
        Ok(Stroops(self.i64()?))
    }

    pub(crate) fn address(&mut self) -> Result<Address, DecodeError> {
        match self.u8()? {
            0 => Ok(Address::Account(self.account()?)),
            1 => Ok(Address::Contract(self.channel()?)),
            found => Err(DecodeError::Unknown { what: "address type", found }),
        }
    }

    pub(crate) fn layout(&mut self) -> Result<Layout, DecodeError> {
        match self.u8()? {
            0 => Ok(Layout::Paychan),
            1 => Ok(Layout::Reference),
            2 => Ok(Layout::Fork),
            found => Err(DecodeError::Unknown { what: "storage layout", found }),
        }
    }

    pub(crate) fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.u32()?).map_err(|_| DecodeError::Short)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.sized()?).map_err(|_| DecodeError::NotText)
    }

    pub(crate) fn request_id(&mut self) -> Result<RequestId, DecodeError> {
        Ok(RequestId::new(self.text()?)?)
    }

    pub(crate) fn channels(&mut self) -> Result<Vec<ContractId>, DecodeError> {
        let count = usize::try_from(self.u32()?).map_err(|_| DecodeError::Short)?;
        let bytes = self.take(count.checked_mul(32).ok_or(DecodeError::Short)?)?;
        let (ids, _) = bytes.as_chunks::<32>();
        Ok(ids.iter().map(|id| ContractId(*id)).collect())
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(read(self)?)),
            found => Err(DecodeError::Unknown { what: "presence mark", found }),
        }
    }
}
