//! The header of a package as the database keeps it (rpm: `docs/manual/format_header.md`, `tags.md`): two counts, an
//! index of tags, then the data that it points into; all numbers most significant byte first.

use super::big_endian;
use crate::platform::linux::look::packages::Sum;

/// The tags of one header, and the bytes of its data (rpm: `lib/header.c`, `HEADER_TAGS_MAX`).
const TAGS: usize = 0xffff;
const ENTRY_BYTES: usize = 16;

/// Files of one package at most.
const FILES: usize = 2_000_000;

/// What is read of a header, by number (rpm: `include/rpm/rpmtag.h`).
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const OLD_FILE_NAMES: u32 = 1027;
    pub(super) const FILE_STATES: u32 = 1029;
    pub(super) const FILE_DIGESTS: u32 = 1035;
    pub(super) const DIR_INDEXES: u32 = 1116;
    pub(super) const BASE_NAMES: u32 = 1117;
    pub(super) const DIR_NAMES: u32 = 1118;
    pub(super) const DIGEST_ALGORITHM: u32 = 5011;
}

/// Types of data (rpm: `include/rpm/rpmtag.h`).
mod kind {
    pub(super) const CHAR: u32 = 1;
    pub(super) const INT32: u32 = 4;
    pub(super) const STRING: u32 = 6;
    pub(super) const STRING_ARRAY: u32 = 8;
}

/// Digest algorithms (RFC 4880, section 9.4).
const MD5: u32 = 1;
const SHA256: u32 = 8;

/// A package and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::linux::look::packages) struct Package<'a> {
    pub(in crate::platform::linux::look::packages) name: &'a [u8],
    pub(in crate::platform::linux::look::packages) files: Vec<PackagedFile<'a>>,
}

/// One file, link or directory of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux::look::packages) struct PackagedFile<'a> {
    /// With the slash at its end; empty where `base` is a whole path.
    directory: &'a [u8],
    base: &'a [u8],
    /// `None` for what has no content, and for a digest of another algorithm than MD5 and SHA-256.
    pub(in crate::platform::linux::look::packages) sum: Option<Sum>,
}

impl PackagedFile<'_> {
    /// Its path.
    pub(in crate::platform::linux::look::packages) fn path(&self) -> Vec<u8> {
        [self.directory, self.base].concat()
    }
}

/// Data of one tag.
#[derive(Clone, Copy)]
struct Entry<'a> {
    kind: u32,
    count: usize,
    /// From its beginning to the end of all data.
    data: &'a [u8],
}

struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// Reads a header. `None` where it is none, has no name, or its lists of files do not fit each other.
pub(in crate::platform::linux::look::packages) fn parse(blob: &[u8]) -> Option<Package<'_>> {
    let tags = usize::try_from(big_endian(blob, 0)?).ok()?;
    let bytes = usize::try_from(big_endian(blob, 4)?).ok()?;
    if tags > TAGS {
        return None;
    }
    let data_at = 8 + tags * ENTRY_BYTES;
    let header = Header {
        index: blob.get(8..data_at)?,
        data: blob.get(data_at..data_at.checked_add(bytes)?)?,
    };
    let name = header.entry(tag::NAME, kind::STRING)?.strings().next()?;
    Some(Package {
        name,
        files: header.files()?,
    })
}

impl<'a> Header<'a> {
    /// The data of a tag; `None` where it is not there or of another type.
    fn entry(&self, tag: u32, kind: u32) -> Option<Entry<'a>> {
        let found = self
            .index
            .chunks_exact(ENTRY_BYTES)
            .find(|entry| big_endian(entry, 0) == Some(tag))?;
        let offset = usize::try_from(big_endian(found, 8)?).ok()?;
        (big_endian(found, 4) == Some(kind)).then_some(Entry {
            kind,
            count: usize::try_from(big_endian(found, 12)?).ok()?,
            data: self.data.get(offset..)?,
        })
    }

    fn files(&self) -> Option<Vec<PackagedFile<'a>>> {
        let Some(bases) = self.entry(tag::BASE_NAMES, kind::STRING_ARRAY) else {
            return self.old_files();
        };
        let directories: Vec<&[u8]> = self.entry(tag::DIR_NAMES, kind::STRING_ARRAY)?.strings().collect();
        let indexes = self.entry(tag::DIR_INDEXES, kind::INT32)?;
        let sums = self.sums();
        let states = self.entry(tag::FILE_STATES, kind::CHAR);
        if bases.count > FILES || indexes.count != bases.count {
            return None;
        }
        let mut files = Vec::new();
        let mut met = 0;
        for (at, base) in bases.strings().enumerate() {
            met = at + 1;
            let directory = directories.get(usize::try_from(indexes.number(at)?).ok()?)?;
            // Replaced by another package's, or never put there.
            let lies_there = states.is_none_or(|states| states.data.get(at) == Some(&0));
            if lies_there {
                files.push(PackagedFile {
                    directory,
                    base,
                    sum: sums.as_ref().and_then(|sums| *sums.get(at)?),
                });
            }
        }
        (met == bases.count).then_some(files)
    }

    /// Packages of RPM 3 name whole paths; those without files name none.
    fn old_files(&self) -> Option<Vec<PackagedFile<'a>>> {
        let Some(names) = self.entry(tag::OLD_FILE_NAMES, kind::STRING_ARRAY) else {
            return Some(Vec::new());
        };
        let sums = self.sums();
        let files = names.strings().enumerate().map(|(at, base)| PackagedFile {
            directory: b"",
            base,
            sum: sums.as_ref().and_then(|sums| *sums.get(at)?),
        });
        Some(files.take(FILES).collect())
    }

    /// The digests, one for each file; without a word on the algorithm they are MD5.
    fn sums(&self) -> Option<Vec<Option<Sum>>> {
        let algorithm = self
            .entry(tag::DIGEST_ALGORITHM, kind::INT32)
            .and_then(|entry| entry.number(0))
            .unwrap_or(MD5);
        let read = |text: &[u8]| match algorithm {
            MD5 => hexadecimal::<16>(text).map(Sum::Md5),
            SHA256 => hexadecimal::<32>(text).map(Sum::Sha256),
            _ => None,
        };
        let digests = self.entry(tag::FILE_DIGESTS, kind::STRING_ARRAY)?;
        Some(digests.strings().take(FILES).map(read).collect())
    }
}

impl<'a> Entry<'a> {
    /// The strings, each up to its zero byte; fewer than the count where the data ends before.
    fn strings(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.data;
        let count = match self.kind {
            kind::STRING => 1,
            _ => self.count,
        };
        (0..count).map_while(move |_| {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let (text, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            Some(text)
        })
    }

    /// A number of an array of them.
    fn number(&self, at: usize) -> Option<u32> {
        (at < self.count)
            .then(|| big_endian(self.data, at.checked_mul(4)?))
            .flatten()
    }
}

fn hexadecimal<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut sum = [0; N];
    for (byte, pair) in sum.iter_mut().zip(text.chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(sum)
}
