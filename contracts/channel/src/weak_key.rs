//! Ed25519 keys of small order. No commitment that is signed with such a key could ever be settled.

use soroban_sdk::BytesN;

/// The y-coordinates, little-endian, of the points of order 1, 2, 4 and 8, and a second form y + p (p = 2^255 − 19) of
/// those for which it fits into 255 bits. The bit above them is the sign of x; with that bit clear and with it set, these
/// are all encodings of small-order points. A test derives them from curve25519-dalek's `EIGHT_TORSION`.
const SMALL_ORDER_Y: [[u8; 32]; 7] = [
    y(0x00, 0x00, 0x00), // 0: order 4
    y(0x01, 0x00, 0x00), // 1: the neutral element
    y(0xec, 0xff, 0x7f), // p − 1: order 2
    y(0xed, 0xff, 0x7f), // p, that is 0
    y(0xee, 0xff, 0x7f), // p + 1, that is 1
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ], // order 8
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ], // order 8, the negative of the one above
];

const fn y(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Whether `key` encodes a point of small order, in any of its encodings.
///
/// The host verifies strictly and refuses every signature of such a key. A lax verifier off chain may accept it, and a
/// funder could then pay with commitments that can't be settled. Keys that are not on the curve and keys of mixed order
/// pass this check, so whoever accepts commitments must verify them strictly.
pub(crate) fn is_weak(key: &BytesN<32>) -> bool {
    let mut y = key.to_array();
    y[31] &= 0x7f;
    SMALL_ORDER_Y.contains(&y)
}
