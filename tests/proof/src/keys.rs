//! Keys, and the signatures that go into commitments.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use stellar_xdr::{
    AccountId, ContractId, Hash, Limits, MuxedAccount, PublicKey, ScAddress, ScMap, ScMapEntry, ScVal, Uint256,
    WriteXdr,
};

use crate::{
    model::{Claim, Signature},
    xdr,
};

/// A key, and with it an account.
#[derive(Clone, Debug)]
pub struct Key(pub SigningKey);

impl Key {
    /// The key that belongs to this name and number. Each pair has its own key.
    #[must_use]
    pub fn of(name: &str, number: u64) -> Self {
        let mut seed = Sha256::new();
        seed.update(b"paychan-proof");
        seed.update(name);
        seed.update(number.to_be_bytes());
        Self(SigningKey::from_bytes(&seed.finalize().into()))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key's account.
    #[must_use]
    pub fn id(&self) -> AccountId {
        AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(self.public())))
    }

    /// The account as the source of a transaction.
    #[must_use]
    pub fn muxed(&self) -> MuxedAccount {
        MuxedAccount::Ed25519(Uint256(self.public()))
    }

    /// The account as a contract's address.
    #[must_use]
    pub fn address(&self) -> ScAddress {
        ScAddress::Account(self.id())
    }

    /// The key's signature of these bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// One of the 14 encodings of points of small order. These are seven y-coordinates, each with both signs of x.
#[must_use]
pub fn weak_key(which: u8) -> [u8; 32] {
    let plain = |first: u8, middle: u8, last: u8| {
        let mut y = [middle; 32];
        (y[0], y[31]) = (first, last);
        y
    };
    let order_8 = |hex: [u8; 32]| hex;
    let mut y = match which % 7 {
        0 => plain(0, 0, 0),
        1 => plain(1, 0, 0),
        2 => plain(0xec, 0xff, 0x7f),
        3 => plain(0xed, 0xff, 0x7f),
        4 => plain(0xee, 0xff, 0x7f),
        5 => order_8(curve_order_8()),
        _ => order_8(negated(curve_order_8())),
    };
    if which % 14 >= 7 {
        y[31] |= 0x80;
    }
    y
}

/// The y-coordinate of a point of order 8 on the curve of RFC 8032.
fn curve_order_8() -> [u8; 32] {
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ]
}

/// p - y, little-endian, p = 2^255 - 19.
fn negated(y: [u8; 32]) -> [u8; 32] {
    let mut p = [0xff_u8; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let mut borrow = false;
    let mut difference = [0; 32];
    for (place, byte) in difference.iter_mut().enumerate() {
        let (once, below) = p[place].overflowing_sub(y[place]);
        let (twice, below_too) = once.overflowing_sub(u8::from(borrow));
        *byte = twice;
        borrow = below || below_too;
    }
    difference
}

/// Signs commitments of one channel.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The commitment key.
    pub key: Key,
    /// The network's id.
    pub network: [u8; 32],
    /// The channel.
    pub channel: ContractId,
}

impl Signer {
    /// The bytes that are given as the claim's signature.
    #[must_use]
    pub fn signature(&self, claim: &Claim) -> [u8; 64] {
        let bytes = |total| commitment(total, &self.channel, self.network);
        match claim.signature {
            Signature::Good => self.key.sign(&bytes(claim.amount)),
            Signature::OfTotal(total) => self.key.sign(&bytes(total)),
            Signature::OfOtherKey => Key::of("forger", 0).sign(&bytes(claim.amount)),
            Signature::OfOtherChannel => {
                let other = ContractId(Hash([7; 32]));
                self.key.sign(&commitment(claim.amount, &other, self.network))
            }
            Signature::OfOtherNetwork => self.key.sign(&commitment(claim.amount, &self.channel, [7; 32])),
            Signature::Garbage => [0; 64],
        }
    }

    /// Whether these bytes are the commitment key's signature of the total. This is verified off chain.
    #[must_use]
    pub fn verifies(&self, total: i128, signature: &[u8; 64]) -> bool {
        let bytes = commitment(total, &self.channel, self.network);
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.key.public()).is_ok_and(|key| key.verify_strict(&bytes, &signature).is_ok())
    }
}

/// What the commitment key signs.
fn commitment(total: i128, channel: &ContractId, network: [u8; 32]) -> Vec<u8> {
    let entry = |name: &str, val: ScVal| ScMapEntry { key: xdr::symbol(name), val };
    let entries = vec![
        entry("amount", xdr::i128(total)),
        entry("channel", ScVal::Address(ScAddress::Contract(channel.clone()))),
        entry("domain", xdr::symbol("chancmmt")),
        entry("network", xdr::bytes(&network)),
    ];
    ScVal::Map(Some(ScMap(entries.try_into().expect("four entries"))))
        .to_xdr(Limits::none())
        .expect("a value in memory encodes")
}
