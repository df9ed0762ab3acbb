//! How records and segment headers are laid out in a file, and how a torn end differs from damage.
//!
//! A segment is a header and then frames, with nothing between them:
//!
//! | header | bytes |
//! | --- | --- |
//! | `PAYCHANJ` | 8 |
//! | version of the format | u16 |
//! | kind: 0 log, 1 checkpoint | u8 |
//! | network id | 32 |
//! | number of the segment's first record | u64 |
//! | CRC-32 of all before | u32 |
//!
//! | frame | bytes |
//! | --- | --- |
//! | length of the record | u32 |
//! | place of the record among those of the same append, from zero | u16 |
//! | number of the record, one more than the last one's | 6 bytes |
//! | CRC-32 of the three before | u32 |
//! | the record ([`super::record`]) | length |
//! | CRC-32 of all before in the frame | u32 |
//!
//! The length has a checksum of its own. Without it, a flipped bit in the last record's length would look like a record
//! that was cut by a power failure, and an acknowledged commitment would be dropped in silence.
//!
//! The place says where an append began. An append begins only after the sync of the one before it, so a readable record of a
//! later append shows that what is unreadable before it was durable once, and is damaged. A readable record of the same
//! append shows nothing: a power cut may lose any part of an append that was not synced. Formats 1 and 2 have no place: each
//! of their records is read as an append of its own.

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use paychan_channel::NetworkId;

/// The format that this program writes. It reads this format and all earlier ones, down to 1.
pub(crate) const VERSION: u16 = 3;
const MAGIC: &[u8; 8] = b"PAYCHANJ";
/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 8 + 2 + 1 + 32 + 8 + 4;
/// Bytes of a frame before its record.
pub(crate) const FRAME_HEADER: usize = 4 + 8 + 4;
const FRAME_TRAILER: usize = 4;
/// Bits of a record's number. Its place in the append stands above them.
const NUMBER_BITS: u32 = 48;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
/// Bytes of the largest record. The largest is a signed transaction: the network's limit for one is 132,096 bytes
/// (`tx_max_size_bytes` of the public network's settings), and eight times that leaves room for it to grow.
pub(crate) const MAX_RECORD: usize = 1 << 20;
/// A disk writes this many bytes whole or not at all. It is the smallest size in use; where a write is cut at a boundary of
/// larger sectors, it is cut at a boundary of these too.
const SECTOR: u64 = 512;

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    /// Records as they happened.
    Log,
    /// The sum of all records before it. It is complete, since only a complete one gets its name.
    Checkpoint,
}

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The format of its records.
    pub(crate) version: u16,
    pub(crate) kind: SegmentKind,
    pub(crate) network: NetworkId,
    /// The number of its first record.
    pub(crate) first: u64,
}

/// Why bytes are not a segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Newer(u16),
    Unreadable(&'static str),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.push(match self.kind {
            SegmentKind::Log => 0,
            SegmentKind::Checkpoint => 1,
        });
        bytes.extend_from_slice(&self.network.0);
        bytes.extend_from_slice(&self.first.to_be_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.try_into().expect("the fields above make up the header's length")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        use BadHeader::Unreadable;
        let bytes: &[u8; SEGMENT_HEADER] = bytes.try_into().map_err(|_| Unreadable("it is cut"))?;
        let (fields, checksum) = bytes.split_at(SEGMENT_HEADER - 4);
        if fields[..8] != *MAGIC {
            return Err(Unreadable("it does not begin with PAYCHANJ"));
        }
        if crc32fast::hash(fields).to_be_bytes() != checksum {
            return Err(Unreadable("its checksum is wrong"));
        }
        let version = u16::from_be_bytes([fields[8], fields[9]]);
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        if version == 0 {
            return Err(Unreadable("its version never existed"));
        }
        let kind = match fields[10] {
            0 => SegmentKind::Log,
            1 => SegmentKind::Checkpoint,
            _ => return Err(Unreadable("its kind is neither log nor checkpoint")),
        };
        let network = fields[11..43].try_into().expect("32 bytes");
        let first = u64::from_be_bytes(fields[43..51].try_into().expect("8 bytes"));
        Ok(SegmentHeader { version, kind, network: NetworkId(network), first })
    }
}

/// Adds a record's frame to `out`. `place` is the record's place in its append.
pub(crate) fn write_frame(out: &mut Vec<u8>, sequence: u64, place: u16, record: &[u8]) {
    let start = out.len();
    let length = u32::try_from(record.len()).expect("records are checked to be below 1 MiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&(u64::from(place) << NUMBER_BITS | sequence & NUMBER_MASK).to_be_bytes());
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(record);
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}

/// What stands at the start of a frame.
#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    /// Bytes of the whole frame.
    frame: usize,
    sequence: u64,
    /// The number of the first record of the same append.
    append: u64,
}

/// The start of a frame, if these bytes begin with one.
fn frame_header(bytes: &[u8]) -> Option<FrameHeader> {
    let (header, _) = bytes.split_first_chunk::<FRAME_HEADER>()?;
    let length = u32::from_be_bytes(header[..4].try_into().expect("4 bytes"));
    let length = usize::try_from(length).ok()?;
    // The cheap check comes first, since a search makes it at every byte.
    if length > MAX_RECORD || crc32fast::hash(&header[..12]).to_be_bytes() != header[12..] {
        return None;
    }
    let numbers = u64::from_be_bytes(header[4..12].try_into().expect("8 bytes"));
    let sequence = numbers & NUMBER_MASK;
    let append = sequence.saturating_sub(numbers >> NUMBER_BITS);
    Some(FrameHeader { frame: FRAME_HEADER + length + FRAME_TRAILER, sequence, append })
}

/// A whole frame at the start of these bytes: its record's number, the record, and the frame's length.
pub(crate) fn frame_at(bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let header = frame_header(bytes)?;
    let frame = bytes.get(..header.frame)?;
    let (covered, checksum) = frame.split_at(header.frame - FRAME_TRAILER);
    (crc32fast::hash(covered).to_be_bytes() == checksum)
        .then(|| (header.sequence, &covered[FRAME_HEADER..], header.frame))
}

/// The next part of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A record, its number, and where its frame begins.
    Frame { sequence: u64, record: Vec<u8>, offset: u64 },
    /// The file ends here, after a whole frame or the header.
    End { offset: u64 },
    /// No frame begins here. `rest` has all bytes from here to the file's end.
    Unreadable { offset: u64, rest: Vec<u8> },
}

/// Reads a segment from its header on, one frame at a time.
pub(crate) struct SegmentReader<R> {
    input: R,
    offset: u64,
}

impl<R: Read> SegmentReader<R> {
    /// Reads the header.
    pub(crate) fn open(mut input: R) -> io::Result<(Result<SegmentHeader, BadHeader>, Self)> {
        let header = read_up_to(&mut input, SEGMENT_HEADER)?;
        let reader = SegmentReader { input, offset: header.len() as u64 };
        Ok((SegmentHeader::decode(&header), reader))
    }

    /// Reads on from a frame at byte `offset` of the file.
    pub(crate) fn at(input: R, offset: u64) -> Self {
        SegmentReader { input, offset }
    }

    pub(crate) fn next(&mut self) -> io::Result<Next> {
        let offset = self.offset;
        let mut bytes = read_up_to(&mut self.input, FRAME_HEADER)?;
        if bytes.is_empty() {
            return Ok(Next::End { offset });
        }
        if let Some(header) = frame_header(&bytes) {
            let body = read_up_to(&mut self.input, header.frame - FRAME_HEADER)?;
            bytes.extend_from_slice(&body);
            if let Some((sequence, record, length)) = frame_at(&bytes) {
                self.offset += length as u64;
                return Ok(Next::Frame { sequence, record: record.to_vec(), offset });
            }
        }
        self.input.read_to_end(&mut bytes)?;
        Ok(Next::Unreadable { offset, rest: bytes })
    }
}

fn read_up_to(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    input.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the unreadable end of a segment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tail {
    /// What a crash or a power cut leaves of an append that was never synced, so never acknowledged.
    Torn,
    /// Anything else.
    Damaged(String),
}

/// Decides whether the end is a torn append or damage. `rest` is all that follows the last readable frame, whose record
/// had the number `last`; it begins at byte `offset` of the file.
///
/// A power cut leaves some of the sectors of an append that was not synced, in any order. A sector that was not written
/// is missing at the file's end, or has zeros where the append would be. So the end is torn when no record of a later append
/// follows and the unreadable frame itself is cut or has lost a sector. A whole frame with a wrong checksum is damage, since
/// that record may have been acknowledged.
pub(crate) fn judge_tail(rest: &[u8], offset: u64, last: u64) -> Tail {
    if let Some((at, sequence)) = later_append(rest, last) {
        let at = offset + at as u64;
        return Tail::Damaged(format!(
            "a readable record that was written later, number {sequence}, follows at byte {at}"
        ));
    }
    let why = match frame_header(rest) {
        Some(header) if last.checked_add(1) != Some(header.sequence) => "its number is not the next one",
        Some(header) if is_torn(rest, offset, header.frame) => return Tail::Torn,
        Some(_) => "it has its whole length and its checksum is wrong",
        None if is_torn(rest, offset, FRAME_HEADER) => return Tail::Torn,
        None => "the checksum of its length and number is wrong",
    };
    Tail::Damaged(why.to_owned())
}

/// Whether an append tore in the first `length` of these bytes: they are not all there, or a sector of them is zeros.
///
/// A frame of ours never has a whole sector of zeros, and it never begins with four zeros, since they would be its length.
/// Fewer zeros at its start change nothing when they are lost. A checksum may end in zeros just after a sector's boundary; a
/// frame in which that is so, and in which another byte is damaged, is taken for a torn one. One frame in 100,000 could be
/// that.
fn is_torn(rest: &[u8], offset: u64, length: usize) -> bool {
    let mut from = 0;
    while let Some(first) = rest.get(from..).filter(|first| !first.is_empty() && from < length) {
        let in_sector = (offset + from as u64 + 1).next_multiple_of(SECTOR) - (offset + from as u64);
        let piece = &first[..first.len().min(usize::try_from(in_sector).unwrap_or(usize::MAX))];
        if piece.iter().all(|byte| *byte == 0) && (from > 0 || piece.len() >= 4) {
            return true;
        }
        from += piece.len();
    }
    rest.len() < length
}

/// The first whole frame after the first byte whose record is not of the same append as the record after `last`, but of a later
/// one. Returns the frame's place and its record's number.
fn later_append(rest: &[u8], last: u64) -> Option<(usize, u64)> {
    let mut from = 1;
    loop {
        let (at, sequence) = find_frame(rest, from, last)?;
        let header = frame_header(&rest[at..])?;
        if header.append > last.saturating_add(1) {
            return Some((at, sequence));
        }
        from = at + header.frame;
    }
}

/// The first whole frame at byte `from` of `bytes` or later whose record has a number above `last`. Returns the frame's
/// place and that number.
pub(crate) fn find_frame(bytes: &[u8], from: usize, last: u64) -> Option<(usize, u64)> {
    (from..bytes.len()).find_map(|at| {
        let (sequence, _, _) = frame_at(&bytes[at..])?;
        (sequence > last).then_some((at, sequence))
    })
}
