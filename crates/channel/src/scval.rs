//! Reading and writing the few forms of `ScVal` that channels use.

use stellar_xdr::{Int128Parts, ScMap, ScSymbol, ScVal, ScVec};

use crate::{Address, Amount, ContractId, ValueError};

/// A symbol of a name that is written in this crate.
pub(crate) fn symbol(name: &'static str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().expect("names written here are at most 32 characters")))
}

pub(crate) fn vec<const N: usize>(values: [ScVal; N]) -> ScVal {
    ScVal::Vec(Some(ScVec(values.to_vec().try_into().expect("a handful of values fits a vec"))))
}

pub(crate) fn amount(amount: Amount) -> ScVal {
    ScVal::from(amount.get())
}

pub(crate) fn bytes<const N: usize>(bytes: [u8; N]) -> ScVal {
    ScVal::Bytes(bytes.to_vec().try_into().expect("keys and signatures fit bytes"))
}

/// Joins the two halves into which XDR splits an i128.
pub(crate) fn i128_of(parts: &Int128Parts) -> i128 {
    (i128::from(parts.hi) << 64) | i128::from(parts.lo)
}

/// The text of a symbol; `None` for another value, or for bytes that are not UTF-8.
pub(crate) fn symbol_text(value: &ScVal) -> Option<&str> {
    match value {
        ScVal::Symbol(ScSymbol(name)) => std::str::from_utf8(name.as_slice()).ok(),
        _ => None,
    }
}

/// The name in a storage key of the form `Vec[Symbol(name)]`.
pub(crate) fn variant_text(key: &ScVal) -> Option<&str> {
    match key {
        ScVal::Vec(Some(ScVec(items))) => match items.as_slice() {
            [name] => symbol_text(name),
            _ => None,
        },
        _ => None,
    }
}

/// How the keys of a map are written.
#[derive(Clone, Copy)]
pub(crate) enum Naming {
    /// `Symbol(name)`: fields of a struct, data of an event.
    Field,
    /// `Vec[Symbol(name)]`: keys of storage.
    Variant,
}

/// A map of named values. To ask for a value as another type is an error that names the value.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    map: &'a ScMap,
    naming: Naming,
}

impl<'a> Named<'a> {
    pub(crate) fn new(map: &'a ScMap, naming: Naming) -> Self {
        Named { map, naming }
    }

    pub(crate) fn find(self, name: &'static str) -> Option<&'a ScVal> {
        let text = match self.naming {
            Naming::Field => symbol_text,
            Naming::Variant => variant_text,
        };
        self.map.0.iter().find(|entry| text(&entry.key) == Some(name)).map(|entry| &entry.val)
    }

    pub(crate) fn has(self, name: &'static str) -> bool {
        self.find(name).is_some()
    }

    fn get(self, name: &'static str) -> Result<&'a ScVal, ValueError> {
        self.find(name).ok_or(ValueError::Missing { name })
    }

    pub(crate) fn address(self, name: &'static str) -> Result<Address, ValueError> {
        address_of(self.get(name)?, name)
    }

    pub(crate) fn contract(self, name: &'static str) -> Result<ContractId, ValueError> {
        contract_of(self.get(name)?, name)
    }

    pub(crate) fn amount(self, name: &'static str) -> Result<Amount, ValueError> {
        amount_of(self.get(name)?, name)
    }

    pub(crate) fn u32(self, name: &'static str) -> Result<u32, ValueError> {
        u32_of(self.get(name)?, name)
    }

    pub(crate) fn bool(self, name: &'static str) -> Result<bool, ValueError> {
        match self.get(name)? {
            ScVal::Bool(value) => Ok(*value),
            _ => Err(ValueError::WrongType { name, expected: "true or false" }),
        }
    }

    pub(crate) fn bytes32(self, name: &'static str) -> Result<[u8; 32], ValueError> {
        match self.get(name)? {
            ScVal::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
        .ok_or(ValueError::WrongType { name, expected: "32 bytes" })
    }
}

pub(crate) fn address_of(value: &ScVal, name: &'static str) -> Result<Address, ValueError> {
    match value {
        ScVal::Address(address) => Address::from_sc(address).ok(),
        _ => None,
    }
    .ok_or(ValueError::WrongType { name, expected: "the address of an account or a contract" })
}

pub(crate) fn contract_of(value: &ScVal, name: &'static str) -> Result<ContractId, ValueError> {
    match address_of(value, name) {
        Ok(Address::Contract(contract)) => Ok(contract),
        _ => Err(ValueError::WrongType { name, expected: "the address of a contract" }),
    }
}

pub(crate) fn amount_of(value: &ScVal, name: &'static str) -> Result<Amount, ValueError> {
    let ScVal::I128(parts) = value else {
        return Err(ValueError::WrongType { name, expected: "an i128" });
    };
    let value = i128_of(parts);
    Amount::new(value).map_err(|_| ValueError::Negative { name, value })
}

pub(crate) fn u32_of(value: &ScVal, name: &'static str) -> Result<u32, ValueError> {
    match value {
        ScVal::U32(value) => Ok(*value),
        _ => Err(ValueError::WrongType { name, expected: "a u32" }),
    }
}
