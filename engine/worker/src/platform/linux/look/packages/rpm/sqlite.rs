//! `rpmdb.sqlite`: the table `Packages (hnum INTEGER PRIMARY KEY, blob BLOB)` of a SQLite database, with what a log
//! beside it holds of newer pages (SQLite: `fileformat2.html`). Only what this table needs is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::{Broken, Bytes, Sink, big_endian, little_endian};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Kinds of pages of a table.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// Before a page's bytes and before all pages of a log.
const FRAME_HEAD: usize = 24;
const LOG_HEAD: usize = 32;
/// The log is read whole, to be held against its checksums.
const LOG_BYTES: u64 = 256 << 20;
/// A row of the schema; that of `Packages` is short.
const SCHEMA_BYTES: usize = 64 << 10;
/// Levels of a tree.
const DEPTH: usize = 64;

/// Gives every header.
pub(super) fn headers(
    file: &(impl Bytes + ?Sized),
    log: &(impl Bytes + ?Sized),
    sink: &mut Sink<'_>,
) -> Result<(), Broken> {
    let pages = Pages::open(file, log)?;
    let mut root = None;
    pages.rows(1, &mut |cell| {
        if cell.length > SCHEMA_BYTES as u64 {
            return Ok(ControlFlow::Continue(()));
        }
        let row = pages.payload(cell, SCHEMA_BYTES)?;
        root = root_of_packages(&row);
        Ok(match root {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    })?;
    let root = root.ok_or(Broken::Malformed)?;
    pages.rows(root, &mut |cell| {
        let length = sink.room(cell.length)?;
        let row = pages.payload(cell, length)?;
        let header = columns(&row)
            .and_then(|columns| columns.get(1).copied())
            .ok_or(Broken::Malformed)?;
        let number = u32::try_from(cell.number).map_err(|_| Broken::Malformed)?;
        Ok(sink.give(number, header))
    })
}

/// The pages of a database, those of the log before those of the file.
struct Pages<'a, F: ?Sized, L: ?Sized> {
    file: &'a F,
    log: &'a L,
    size: usize,
    /// Bytes of a page that are used.
    usable: usize,
    count: u32,
    /// Where in the log the newest committed form of a page lies.
    newer: BTreeMap<u32, u64>,
}

/// A row's place: its number, the bytes of it, and where they begin.
struct Cell<'p> {
    number: u64,
    length: u64,
    /// From its payload to the end of its page.
    rest: &'p [u8],
}

impl<'a, F: Bytes + ?Sized, L: Bytes + ?Sized> Pages<'a, F, L> {
    fn open(file: &'a F, log: &'a L) -> Result<Self, Broken> {
        let mut head = [0; 100];
        file.fill(0, &mut head)?;
        if !head.starts_with(MAGIC) {
            return Err(Broken::Malformed);
        }
        let size = match u16::from_be_bytes([head[16], head[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = size.saturating_sub(usize::from(head[20]));
        if size < 512 || !size.is_power_of_two() || usable < 480 {
            return Err(Broken::Malformed);
        }
        let in_file = u32::try_from(file.length() / size as u64).map_err(|_| Broken::TooMuch)?;
        let (newer, in_log) = newer_pages(log, size)?;
        Ok(Self {
            file,
            log,
            size,
            usable,
            count: in_log.unwrap_or(in_file),
            newer,
        })
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, Broken> {
        if number == 0 || number > self.count {
            return Err(Broken::Malformed);
        }
        let mut page = vec![0; self.size];
        match self.newer.get(&number) {
            Some(at) => self.log.fill(*at, &mut page)?,
            None => self.file.fill(u64::from(number - 1) * self.size as u64, &mut page)?,
        }
        Ok(page)
    }

    /// Calls `take` with each row of a table, by rising number, until it breaks off.
    fn rows(
        &self,
        root: u32,
        take: &mut dyn FnMut(&Cell<'_>) -> Result<ControlFlow<()>, Broken>,
    ) -> Result<(), Broken> {
        let mut met = BTreeSet::new();
        let mut todo: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some((number, depth)) = todo.pop() {
            if !met.insert(number) || depth > DEPTH {
                return Err(Broken::Malformed);
            }
            let page = self.page(number)?;
            let head = if number == 1 { 100 } else { 0 };
            let kind = page[head];
            let cells = usize::from(u16::from_be_bytes([page[head + 3], page[head + 4]]));
            let places = head + if kind == INTERIOR { 12 } else { 8 };
            let place = |at: usize| -> Result<usize, Broken> {
                let two = page
                    .get(places + 2 * at..places + 2 * at + 2)
                    .ok_or(Broken::Malformed)?;
                Ok(usize::from(u16::from_be_bytes([two[0], two[1]])))
            };
            match kind {
                INTERIOR => {
                    todo.push((big_endian(&page, head + 8).ok_or(Broken::Malformed)?, depth + 1));
                    for at in (0..cells).rev() {
                        todo.push((big_endian(&page, place(at)?).ok_or(Broken::Malformed)?, depth + 1));
                    }
                    // Each child is a page of its own.
                    if todo.len() > self.count as usize {
                        return Err(Broken::Malformed);
                    }
                }
                LEAF => {
                    for at in 0..cells {
                        let cell = page.get(place(at)?..self.usable).ok_or(Broken::Malformed)?;
                        let (length, rest) = varint(cell).ok_or(Broken::Malformed)?;
                        let (number, rest) = varint(rest).ok_or(Broken::Malformed)?;
                        let cell = Cell { number, length, rest };
                        if take(&cell)?.is_break() {
                            return Ok(());
                        }
                    }
                }
                _ => return Err(Broken::Malformed),
            }
        }
        Ok(())
    }

    /// The bytes of a row: those in its page, then those of a chain of other pages.
    fn payload(&self, cell: &Cell<'_>, most: usize) -> Result<Vec<u8>, Broken> {
        let length = usize::try_from(cell.length).map_err(|_| Broken::TooMuch)?;
        if length > most {
            return Err(Broken::TooMuch);
        }
        let here = self.bytes_in_page(length);
        let mut bytes = cell.rest.get(..here).ok_or(Broken::Malformed)?.to_vec();
        let mut next = match length > here {
            true => big_endian(cell.rest, here).ok_or(Broken::Malformed)?,
            false => 0,
        };
        while bytes.len() < length {
            let page = self.page(next)?;
            next = big_endian(&page, 0).ok_or(Broken::Malformed)?;
            let piece = (length - bytes.len()).min(self.usable - 4);
            bytes.extend_from_slice(&page[4..4 + piece]);
        }
        Ok(bytes)
    }

    /// How many bytes of a row lie in its own page (`fileformat2.html`, section 1.6).
    fn bytes_in_page(&self, length: usize) -> usize {
        let most = self.usable - 35;
        let least = (self.usable - 12) * 32 / 255 - 23;
        if length <= most {
            return length;
        }
        let fitting = least + (length - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

/// Where the newest committed form of each page lies in a log, and how many pages the database has by it. Frames of an
/// older round, and what follows a torn one, do not count (`fileformat2.html`, section 4).
fn newer_pages(log: &(impl Bytes + ?Sized), size: usize) -> Result<(BTreeMap<u32, u64>, Option<u32>), Broken> {
    let none = (BTreeMap::new(), None);
    if log.length() < LOG_HEAD as u64 {
        return Ok(none);
    }
    if log.length() > LOG_BYTES {
        return Err(Broken::TooMuch);
    }
    let mut head = [0; LOG_HEAD];
    log.fill(0, &mut head)?;
    let is_big = match big_endian(&head, 0) {
        Some(0x377f_0683) => true,
        Some(0x377f_0682) => false,
        _ => return Ok(none),
    };
    let mut sums = Checksum { is_big, sums: [0, 0] };
    sums.add(&head[..24]);
    if !sums.are(&head[24..]) || big_endian(&head, 8) != u32::try_from(size).ok() {
        return Ok(none);
    }
    let (mut newer, mut count) = none;
    let mut waiting = BTreeMap::new();
    let mut frame = vec![0; FRAME_HEAD + size];
    let mut at = LOG_HEAD as u64;
    while at + frame.len() as u64 <= log.length() {
        log.fill(at, &mut frame)?;
        sums.add(&frame[..8]);
        sums.add(&frame[FRAME_HEAD..]);
        if frame[8..16] != head[16..24] || !sums.are(&frame[16..24]) {
            break;
        }
        let number = |place| big_endian(&frame, place).unwrap_or(0);
        waiting.insert(number(0), at + FRAME_HEAD as u64);
        let pages = number(4);
        if pages > 0 {
            newer.append(&mut waiting);
            count = Some(pages);
        }
        at += frame.len() as u64;
    }
    Ok((newer, count))
}

/// The checksum of a log.
struct Checksum {
    is_big: bool,
    sums: [u32; 2],
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big { big_endian } else { little_endian };
        for pair in bytes.chunks_exact(8) {
            let word = |at| read(pair, at).unwrap_or(0);
            self.sums[0] = self.sums[0].wrapping_add(word(0)).wrapping_add(self.sums[1]);
            self.sums[1] = self.sums[1].wrapping_add(word(4)).wrapping_add(self.sums[0]);
        }
    }

    fn are(&self, written: &[u8]) -> bool {
        (big_endian(written, 0), big_endian(written, 4)) == (Some(self.sums[0]), Some(self.sums[1]))
    }
}

/// A number of one to nine bytes, seven bits each, most significant first; the ninth byte has eight.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for at in 0..9 {
        let byte = *bytes.get(at)?;
        if at == 8 {
            return Some((value << 8 | u64::from(byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// The bytes of each column of a row; a number as it is written (`fileformat2.html`, section 2.1).
fn columns(row: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, _) = varint(row)?;
    let head = usize::try_from(head).ok()?;
    let mut types = row.get(..head)?;
    types = varint(types)?.1;
    let mut rest = row.get(head..)?;
    let mut columns = Vec::new();
    while !types.is_empty() && columns.len() < 16 {
        let (kind, behind) = varint(types)?;
        types = behind;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            kind => (kind - 12) / 2,
        };
        let (column, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = behind;
        columns.push(column);
    }
    Some(columns)
}

/// The root page of the table `Packages`, where a row of the schema is of it: type, name, table, root, text.
fn root_of_packages(row: &[u8]) -> Option<u32> {
    let columns = columns(row)?;
    let is_table = *columns.first()? == b"table" && *columns.get(1)? == b"Packages";
    let root = columns.get(3)?;
    if !is_table || root.len() > 4 {
        return None;
    }
    let root = root.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    (root > 1).then_some(root)
}
