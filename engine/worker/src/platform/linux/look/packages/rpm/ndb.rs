//! `Packages.db`: slots at the beginning say where each header lies (rpm: `lib/backend/ndb/rpmpkg.c`); all numbers least
//! significant byte first, places in blocks of 16 bytes.

use super::{Broken, Bytes, Sink, little_endian};

const PAGE: u64 = 4096;
const SLOT: usize = 16;
const BLOCK: u64 = 16;
/// Before the first slot: magic, version, generation, pages of slots, next number.
const HEAD: usize = 32;
const BLOB_HEAD: u64 = 16;
const BLOB_TAIL: u64 = 12;
const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";
const END_MAGIC: &[u8] = b"BlbE";

/// Gives every header.
pub(super) fn headers(file: &(impl Bytes + ?Sized), sink: &mut Sink<'_>) -> Result<(), Broken> {
    let mut page = vec![0; PAGE as usize];
    file.fill(0, &mut page)?;
    let number = |bytes: &[u8], at| little_endian(bytes, at).ok_or(Broken::Malformed);
    if !page.starts_with(MAGIC) {
        return Err(Broken::Malformed);
    }
    if number(&page, 4)? != 0 {
        return Err(Broken::Unsupported);
    }
    let pages = u64::from(number(&page, 12)?);
    if pages == 0 || pages.saturating_mul(PAGE) > file.length() {
        return Err(Broken::Malformed);
    }
    for at in 0..pages {
        file.fill(at * PAGE, &mut page)?;
        let first = if at == 0 { HEAD } else { 0 };
        for slot in page[first..].chunks_exact(SLOT) {
            if !slot.starts_with(SLOT_MAGIC) {
                return Err(Broken::Malformed);
            }
            let (package, from, blocks) = (number(slot, 4)?, number(slot, 8)?, number(slot, 12)?);
            // An empty slot.
            if from == 0 {
                continue;
            }
            let header = blob(file, package, u64::from(from), u64::from(blocks), sink)?;
            if sink.give(package, &header).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The header that a slot points to. Its checksum is not looked at: who can write the header can write that too.
fn blob(
    file: &(impl Bytes + ?Sized),
    package: u32,
    from: u64,
    blocks: u64,
    sink: &mut Sink<'_>,
) -> Result<Vec<u8>, Broken> {
    let mut head = [0; BLOB_HEAD as usize];
    file.fill(from * BLOCK, &mut head)?;
    let length = little_endian(&head, 12).ok_or(Broken::Malformed)?;
    let fits = (BLOB_HEAD + u64::from(length) + BLOB_TAIL).div_ceil(BLOCK) == blocks
        && (from + blocks).saturating_mul(BLOCK) <= file.length();
    if !head.starts_with(BLOB_MAGIC) || little_endian(&head, 4) != Some(package) || !fits {
        return Err(Broken::Malformed);
    }
    let mut header = vec![0; sink.room(u64::from(length))?];
    file.fill(from * BLOCK + BLOB_HEAD, &mut header)?;
    let mut tail = [0; BLOB_TAIL as usize];
    file.fill((from + blocks) * BLOCK - BLOB_TAIL, &mut tail)?;
    if little_endian(&tail, 4) != Some(length) || !tail.ends_with(END_MAGIC) {
        return Err(Broken::Malformed);
    }
    Ok(header)
}
