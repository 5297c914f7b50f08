//! The package database, small enough to be kept: hashes of paths instead of paths.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::database_file;
use super::dpkg::{Diversion, package_of, parse_conffiles, parse_diversions, parse_list, parse_md5sums};
use crate::platform::linux::look::digest::{FileKey, Md5Sum};
use crate::platform::linux::look::file::{Meta, open_without_atime};
use crate::platform::linux::look::gaps::reason;
use crate::platform::linux::look::walk;
use crate::query::GapReason;
use crate::text::{HostBytes, HostPath};

/// Directories that became links to `/usr` (usr-merge): a package may list either name.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// The files of the database that are read at most.
const FILES: usize = 200_000;

/// What the database is known by: its parts, as they were when the index was made.
pub(super) type Stamp = [Option<FileKey>; 3];

/// Paths and digests of all packages.
pub(in crate::platform::linux::look) struct Index {
    pub(super) stamp: Stamp,
    /// What of the database could not be read.
    pub(super) gaps: Vec<(HostBytes, GapReason)>,
    packages: Vec<Package>,
    paths: Paths,
    /// By the hash of the path.
    listed: Vec<(u64, u32)>,
    /// By the hash of the path.
    sums: Vec<Sum>,
    /// Places in `sums`, by digest.
    by_sum: Vec<u32>,
}

struct Package {
    name: Vec<u8>,
    /// Its `.md5sums` in the database.
    sums_file: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Sum {
    path: u64,
    sum: Md5Sum,
    package: u32,
}

/// How paths become numbers. The keys are of this process: nobody can prepare two paths that fall together.
struct Paths {
    merged: Vec<&'static str>,
    hasher: RandomState,
}

impl Paths {
    fn of_host() -> Self {
        let leads_to_usr = |name: &&str| {
            let target = std::fs::read_link(format!("/{name}")).unwrap_or_default();
            let target = target.as_os_str().as_bytes();
            target.strip_prefix(b"/").unwrap_or(target) == format!("usr/{name}").as_bytes()
        };
        Self {
            merged: MERGED.into_iter().filter(leads_to_usr).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The same number for both names that usr-merge gives a file.
    fn number(&self, path: &[u8]) -> u64 {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let merged = first.len() < path.len() && self.merged.iter().any(|name| name.as_bytes() == first);
        if merged {
            self.hasher.hash_one([b"usr/", path].concat())
        } else {
            self.hasher.hash_one(path.to_vec())
        }
    }
}

/// What the database looks like now.
///
/// # Errors
/// When there is none, or it may not be read.
pub(super) fn stamp(root: &str) -> Result<Stamp, Errno> {
    let key = |name: &str| Meta::at(CWD, format!("{root}/{name}").as_bytes()).map(|found| found.key());
    Ok([Some(key("info")?), key("status").ok(), key("diversions").ok()])
}

impl Index {
    /// Reads the whole database.
    ///
    /// # Errors
    /// When it cannot be listed; a part that cannot be read is a gap.
    pub(super) fn read(root: &str, stamp: Stamp) -> Result<Self, Errno> {
        let mut index = Self {
            stamp,
            gaps: Vec::new(),
            packages: Vec::new(),
            paths: Paths::of_host(),
            listed: Vec::new(),
            sums: Vec::new(),
            by_sum: Vec::new(),
        };
        let info = format!("{root}/info");
        let (names, whole) = walk::names(open_without_atime(CWD, info.as_bytes(), OFlags::DIRECTORY)?, FILES)?;
        if !whole {
            index.gaps.push((HostBytes::new(info.as_bytes()), GapReason::TooMany));
        }
        let diversions = index.part(format!("{root}/diversions").as_bytes());
        let diverted: HashMap<&[u8], Diversion<'_>> = parse_diversions(&diversions)
            .into_iter()
            .map(|diversion| (diversion.from, diversion))
            .collect();
        for name in names.iter().map(|name| name.to_bytes()) {
            if let Some((package, b"list")) = package_of(name) {
                let file = [info.as_bytes(), b"/", name].concat();
                index.take_package(package, &file, &diverted);
            }
        }
        let status = index.part(format!("{root}/status").as_bytes());
        index.take_conffiles(&status);
        index.listed.sort_unstable();
        index.sums.sort_unstable_by_key(|sum| sum.path);
        let places = u32::try_from(index.sums.len()).map_err(|_| Errno::OVERFLOW)?;
        let sums = &index.sums;
        index.by_sum = (0..places).collect();
        index.by_sum.sort_unstable_by_key(|place| sums[*place as usize].sum);
        Ok(index)
    }

    /// Which package lists a path.
    pub(super) fn package_of(&self, path: &HostPath) -> Option<String> {
        let number = self.paths.number(path.as_bytes());
        let at = self.listed.partition_point(|(path, _)| *path < number);
        let (_, package) = self.listed.get(at).filter(|(path, _)| *path == number)?;
        Some(self.name(*package))
    }

    /// Every digest that a package keeps for a path, with the package.
    pub(super) fn sums_of(&self, path: &HostPath) -> impl Iterator<Item = (String, Md5Sum)> {
        let number = self.paths.number(path.as_bytes());
        let at = self.sums.partition_point(|sum| sum.path < number);
        let same = self.sums[at..].iter().take_while(move |sum| sum.path == number);
        same.map(|sum| (self.name(sum.package), sum.sum))
    }

    /// A package that has a file of that content, and the file's path as the package has it.
    pub(super) fn packaged_as(&self, sum: &Md5Sum) -> Option<(String, HostPath)> {
        let at = self
            .by_sum
            .partition_point(|place| self.sums[*place as usize].sum < *sum);
        let same = self.by_sum[at..]
            .iter()
            .map(|place| self.sums[*place as usize])
            .take_while(|known| known.sum == *sum);
        same.into_iter().find_map(|known| {
            let file = database_file(&self.packages[known.package as usize].sums_file).ok()?;
            let path = parse_md5sums(&file)
                .find(|(packaged, _)| packaged == sum)
                .map(|(_, path)| path.to_vec())?;
            Some((self.name(known.package), HostPath::new([b"/", &path[..]].concat())))
        })
    }

    fn name(&self, package: u32) -> String {
        HostBytes::new(self.packages[package as usize].name.as_slice()).to_string()
    }

    /// A part of the database; empty where it is not there. One that cannot be read is a gap.
    fn part(&mut self, path: &[u8]) -> Vec<u8> {
        match database_file(path) {
            Ok(bytes) => bytes,
            Err(Errno::NOENT) => Vec::new(),
            Err(errno) => {
                self.gaps.push((HostBytes::new(path), reason(errno)));
                Vec::new()
            }
        }
    }

    fn take_package(&mut self, name: &[u8], list_file: &[u8], diverted: &HashMap<&[u8], Diversion<'_>>) {
        let Ok(number) = u32::try_from(self.packages.len()) else {
            return;
        };
        let sums_file = [list_file.strip_suffix(b"list").unwrap_or(list_file), b"md5sums"].concat();
        let list = self.part(list_file);
        let sums = self.part(&sums_file);
        // Where this package's own file really lies.
        let place = |path: &[u8]| match diverted.get(path) {
            Some(diversion) if diversion.by != name => self.paths.number(diversion.to),
            _ => self.paths.number(path),
        };
        self.listed.extend(parse_list(&list).map(|path| (place(path), number)));
        self.sums.extend(parse_md5sums(&sums).map(|(sum, path)| Sum {
            path: place(&[b"/", path].concat()),
            sum,
            package: number,
        }));
        self.packages.push(Package {
            name: name.to_vec(),
            sums_file,
        });
    }

    fn take_conffiles(&mut self, status: &[u8]) {
        let numbers: HashMap<&[u8], u32> = self
            .packages
            .iter()
            .zip(0..)
            .map(|(package, number)| (package.name.as_slice(), number))
            .collect();
        let sums = parse_conffiles(status).into_iter().filter_map(|(package, path, sum)| {
            Some(Sum {
                path: self.paths.number(path),
                sum,
                package: *numbers.get(package)?,
            })
        });
        self.sums.extend(sums);
    }
}
