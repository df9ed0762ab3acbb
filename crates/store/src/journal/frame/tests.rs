#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
use proptest::prelude::*;

use super::{
    BadHeader, FRAME_HEADER, Next, SEGMENT_HEADER, SegmentHeader, SegmentKind, SegmentReader, Tail, VERSION, frame_at,
    judge_tail, write_frame,
};
use crate::fixtures::NETWORK;

fn frame(sequence: u64, record: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, sequence, 0, record);
    out
}

fn header(first: u64) -> SegmentHeader {
    SegmentHeader { version: VERSION, kind: SegmentKind::Log, network: NETWORK, first }
}

#[test]
fn a_segment_is_read_as_it_was_written() {
    let mut bytes = header(7).encode().to_vec();
    write_frame(&mut bytes, 7, 0, b"seven");
    let second = bytes.len() as u64;
    write_frame(&mut bytes, 8, 1, b"");
    let (found, mut reader) = SegmentReader::open(bytes.as_slice()).unwrap();
    assert_eq!(found, Ok(header(7)));
    assert_eq!(
        reader.next().unwrap(),
        Next::Frame { sequence: 7, record: b"seven".to_vec(), offset: SEGMENT_HEADER as u64 }
    );
    assert_eq!(reader.next().unwrap(), Next::Frame { sequence: 8, record: Vec::new(), offset: second });
    assert_eq!(reader.next().unwrap(), Next::End { offset: bytes.len() as u64 });
}

#[test]
fn a_header_with_a_flipped_bit_is_refused() {
    let bytes = header(1).encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes;
            bytes[at] ^= 1 << bit;
            assert!(SegmentHeader::decode(&bytes).is_err(), "byte {at}, bit {bit}");
        }
    }
    assert!(SegmentHeader::decode(&bytes[1..]).is_err());
}

#[test]
fn a_newer_version_is_not_taken_for_damage() {
    let mut bytes = header(1).encode();
    bytes[9] = 4;
    let checksum = crc32fast::hash(&bytes[..SEGMENT_HEADER - 4]);
    bytes[SEGMENT_HEADER - 4..].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Err(BadHeader::Newer(4)));
}

#[test]
fn appended_frames_that_are_cut_anywhere_are_torn() {
    let batch = [frame(5, b"five, a record"), frame(6, &[0; 40])].concat();
    let first = frame(5, b"five, a record").len();
    for cut in 1..batch.len() {
        // The whole frames have been read; the rest is judged.
        let (rest, last) = if cut < first { (&batch[..cut], 4) } else { (&batch[first..cut], 5) };
        if !rest.is_empty() {
            assert_eq!(judge_tail(rest, 1_000, last), Tail::Torn, "cut at {cut}");
        }
    }
}

#[test]
fn a_whole_frame_with_a_changed_byte_is_damaged_and_not_torn() {
    // The frame ends nowhere near a sector's boundary, so zeros at its end are no unwritten sectors.
    let whole = frame(5, b"five, a record");
    for at in 0..whole.len() {
        for mask in [1, 0x80, 0xff, whole[at]] {
            if mask == 0 {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            assert_eq!(frame_at(&bytes), None);
            assert!(matches!(judge_tail(&bytes, 1_000, 4), Tail::Damaged(_)), "byte {at} by {mask:#x}");
        }
    }
}

#[test]
fn zeros_from_a_sectors_boundary_on_are_torn_and_zeros_elsewhere_are_not() {
    let whole = frame(5, &[0xaa; 2_000]);
    let offset = 300_u64;
    let boundary = 1_024 - 300;
    let mut torn = whole.clone();
    torn[boundary..].fill(0);
    assert_eq!(judge_tail(&torn, offset, 4), Tail::Torn);
    let mut odd = whole.clone();
    let end = odd.len();
    odd[end - 100..].fill(0);
    assert!(matches!(judge_tail(&odd, offset, 4), Tail::Damaged(_)));
    // A sector may have only the last bytes of a frame.
    let offset = 512 - (whole.len() as u64 - 1) % 512;
    let mut few = whole;
    few[end - 1] = 0;
    assert_eq!(judge_tail(&few, offset, 4), Tail::Torn);
}

/// A frame is read as torn where its own sector is lost, and not where another one's is.
#[test]
fn a_damaged_frame_before_a_lost_sector_is_damage() {
    let mut bytes = frame(5, &[0xaa; 100]);
    bytes[50] ^= 1;
    bytes.extend_from_slice(&[0; 2_000]);
    // The frame and the first zeros after it are in one sector.
    assert!(matches!(judge_tail(&bytes, 1_024, 4), Tail::Damaged(_)));
}

/// Each set of lost sectors of an append of several frames, at each position in a sector. What is read before the first lost
/// sector stays, and the rest is torn.
#[test]
fn an_append_that_lost_any_of_its_sectors_is_torn() {
    let mut append = Vec::new();
    let mut ends = vec![0];
    for place in 0..7_u16 {
        write_frame(&mut append, 5 + u64::from(place), place, &[0xaa; 230]);
        ends.push(append.len());
    }
    for offset in (512..1_016_u64).step_by(7).chain(1_016..1_024) {
        let first = usize::try_from(1_024 - offset).unwrap();
        let mut bounds = vec![0];
        bounds.extend((first..append.len()).step_by(512));
        bounds.push(append.len());
        for lost in 1_u32..1 << (bounds.len() - 1) {
            let mut bytes = append.clone();
            for (piece, range) in bounds.windows(2).enumerate() {
                if lost & (1 << piece) != 0 {
                    bytes[range[0]..range[1]].fill(0);
                }
            }
            let whole = ends.windows(2).take_while(|range| bytes[range[0]..range[1]] == append[range[0]..range[1]]);
            let whole = whole.count();
            let (rest, last) = (&bytes[ends[whole]..], 4 + whole as u64);
            if !rest.is_empty() {
                let judged = judge_tail(rest, offset + ends[whole] as u64, last);
                assert_eq!(judged, Tail::Torn, "offset {offset}, lost {lost:b}");
            }
        }
    }
}

#[test]
fn a_lost_sector_before_a_later_append_is_damage() {
    let mut bytes = frame(5, &[0xaa; 2_000]);
    bytes[512..1_024].fill(0);
    write_frame(&mut bytes, 6, 1, b"the same append");
    assert_eq!(judge_tail(&bytes, 1_024, 4), Tail::Torn);
    write_frame(&mut bytes, 7, 0, b"the next append");
    assert!(matches!(judge_tail(&bytes, 1_024, 4), Tail::Damaged(_)));
}

#[test]
fn a_bad_frame_before_a_valid_one_is_damage() {
    let mut bytes = frame(5, b"five");
    bytes.truncate(FRAME_HEADER + 2);
    bytes.extend_from_slice(&frame(6, b"six"));
    assert!(matches!(judge_tail(&bytes, 100, 4), Tail::Damaged(_)));
    // A cut frame whose number is not the next one is damage too.
    let mut bytes = frame(9, b"nine");
    bytes.pop();
    assert!(matches!(judge_tail(&bytes, 100, 4), Tail::Damaged(_)));
}

proptest! {
    #[test]
    fn foreign_bytes_make_no_reader_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, mut reader) = SegmentReader::open(noise.as_slice()).unwrap();
        while let Next::Frame { .. } = reader.next().unwrap() {}
        judge_tail(&noise, 55, 3);
        let _ = SegmentHeader::decode(&noise);
    }
}
