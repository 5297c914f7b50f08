//! `Packages` of Berkeley DB: a hash whose keys are the packages' numbers (rpm: `lib/backend/bdb_ro.c`; Berkeley DB:
//! `dbinc/db_page.h`). Numbers are in the order of the machine that wrote it; the magic number tells which.

use super::{Broken, Bytes, Sink, big_endian, little_endian};

const HASH_MAGIC: u32 = 0x0006_1561;
const BTREE_MAGIC: u32 = 0x0005_3162;
/// Before the index of a page's items.
const PAGE_HEAD: usize = 26;
/// Kinds of pages: hash, sorted or not, and a piece of something too long for one.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Kinds of items: in the page, or in a chain of other pages.
const ITEM: u8 = 1;
const ITEM_ELSEWHERE: u8 = 3;
/// Bytes of an item that is elsewhere: kind, three unused, page, length.
const ELSEWHERE_BYTES: usize = 12;

struct Pages<'a, B: ?Sized> {
    file: &'a B,
    size: usize,
    last: u32,
    is_big: bool,
}

impl<B: Bytes + ?Sized> Pages<'_, B> {
    fn number(&self, bytes: &[u8], at: usize) -> Result<u32, Broken> {
        let read = if self.is_big { big_endian } else { little_endian };
        read(bytes, at).ok_or(Broken::Malformed)
    }

    /// A number of two bytes.
    fn half(&self, bytes: &[u8], at: usize) -> Result<usize, Broken> {
        let two: [u8; 2] = bytes
            .get(at..at + 2)
            .and_then(|two| two.try_into().ok())
            .ok_or(Broken::Malformed)?;
        Ok(usize::from(match self.is_big {
            true => u16::from_be_bytes(two),
            false => u16::from_le_bytes(two),
        }))
    }

    fn page(&self, number: u32, out: &mut [u8]) -> Result<(), Broken> {
        if number == 0 || number > self.last {
            return Err(Broken::Malformed);
        }
        self.file.fill(u64::from(number) * self.size as u64, out)
    }
}

/// Gives every header. A B-tree is another form, which no RPM writes.
pub(super) fn headers(file: &(impl Bytes + ?Sized), sink: &mut Sink<'_>) -> Result<(), Broken> {
    let mut meta = [0; 512];
    file.fill(0, &mut meta)?;
    let is_big = match (little_endian(&meta, 12), big_endian(&meta, 12)) {
        (Some(HASH_MAGIC), _) => false,
        (_, Some(HASH_MAGIC)) => true,
        (Some(BTREE_MAGIC), _) | (_, Some(BTREE_MAGIC)) => return Err(Broken::Unsupported),
        _ => return Err(Broken::Malformed),
    };
    let mut pages = Pages {
        file,
        size: 0,
        last: 0,
        is_big,
    };
    pages.size = usize::try_from(pages.number(&meta, 20)?).map_err(|_| Broken::Malformed)?;
    if !(512..=65_536).contains(&pages.size) || !pages.size.is_power_of_two() {
        return Err(Broken::Malformed);
    }
    let whole = (file.length() / pages.size as u64).saturating_sub(1);
    let last = pages.number(&meta, 32)?;
    if u64::from(last) > whole {
        return Err(Broken::Malformed);
    }
    pages.last = last;
    let mut page = vec![0; pages.size];
    for number in 1..=last {
        pages.page(number, &mut page)?;
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        let items = pages.half(&page, 20)?;
        for at in (0..items / 2).map(|pair| pair * 2) {
            let key = item(&pages, &page, at)?;
            let value = item(&pages, &page, at + 1)?;
            let number = match key {
                [ITEM, number @ ..] if number.len() == 4 => pages.number(number, 0)?,
                _ => return Err(Broken::Malformed),
            };
            // Under 0 stands the greatest number that was given.
            if number == 0 {
                continue;
            }
            let header = match value {
                [ITEM, header @ ..] => {
                    sink.room(header.len() as u64)?;
                    header.to_vec()
                }
                [ITEM_ELSEWHERE, ..] if value.len() == ELSEWHERE_BYTES => {
                    chain(&pages, pages.number(value, 4)?, pages.number(value, 8)?, sink)?
                }
                _ => return Err(Broken::Malformed),
            };
            if sink.give(number, &header).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// An item of a page: items lie behind one another from the page's end.
fn item<'p, B: Bytes + ?Sized>(pages: &Pages<'_, B>, page: &'p [u8], at: usize) -> Result<&'p [u8], Broken> {
    let place = |at: usize| pages.half(page, PAGE_HEAD + 2 * at);
    let start = place(at)?;
    let end = match at {
        0 => pages.size,
        at => place(at - 1)?,
    };
    page.get(start..end)
        .filter(|item| !item.is_empty() && start >= PAGE_HEAD)
        .ok_or(Broken::Malformed)
}

/// What lies in a chain of pages. Each page gives at least a byte, so that a chain ends.
fn chain<B: Bytes + ?Sized>(
    pages: &Pages<'_, B>,
    first: u32,
    length: u32,
    sink: &mut Sink<'_>,
) -> Result<Vec<u8>, Broken> {
    let length = sink.room(u64::from(length))?;
    let mut header = Vec::new();
    let mut page = vec![0; pages.size];
    let mut next = first;
    while header.len() < length {
        pages.page(next, &mut page)?;
        let piece = pages.half(&page, 22)?;
        let bytes = page.get(PAGE_HEAD..PAGE_HEAD + piece).ok_or(Broken::Malformed)?;
        if page[25] != OVERFLOW || piece == 0 || header.len() + piece > length {
            return Err(Broken::Malformed);
        }
        header.extend_from_slice(bytes);
        next = pages.number(&page, 16)?;
    }
    Ok(header)
}
