//! The package database, small enough to be kept: hashes of paths instead of paths.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::dpkg::{Diversion, package_of, parse_conffiles, parse_diversions, parse_list, parse_md5sums};
use super::rpm::{self, Database};
use super::{Sum, database_file};
use crate::platform::linux::look::digest::FileKey;
use crate::platform::linux::look::file::{Meta, open_without_atime};
use crate::platform::linux::look::gaps::reason;
use crate::platform::linux::look::walk;
use crate::query::GapReason;
use crate::text::{HostBytes, HostPath};

/// Directories that became links to `/usr` (usr-merge): a package may list either name.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// The files of the database that are read at most.
const FILES: usize = 200_000;

/// Where packages are written down. A host may have both kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// dpkg's directory, with its parts as they were when it was looked at.
    dpkg: Option<(String, [Option<FileKey>; 3])>,
    rpm: Option<Database>,
}

/// Paths and digests of all packages.
pub(in crate::platform::linux::look) struct Index {
    pub(super) sources: Sources,
    /// What of the databases could not be read.
    pub(super) gaps: Vec<(HostBytes, GapReason)>,
    packages: Vec<Package>,
    paths: Paths,
    /// By the hash of the path.
    listed: Vec<(u64, u32)>,
    /// By the hash of the path.
    sums: Vec<KeptSum>,
    /// Places in `sums`, by digest.
    by_sum: Vec<u32>,
}

struct Package {
    name: Vec<u8>,
    kept: Kept,
}

/// Where the files of a package are read again.
enum Kept {
    /// In this file of dpkg's database, `.md5sums`.
    Dpkg(Vec<u8>),
    /// In the header of this number.
    Rpm(u32),
}

#[derive(Clone, Copy)]
struct KeptSum {
    path: u64,
    sum: Sum,
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

impl Sources {
    /// What there is now: dpkg's database in a directory, and one of RPM.
    ///
    /// # Errors
    /// When there is none, or none may be read.
    pub(super) fn find(dpkg: &str, rpm: Option<Database>) -> Result<Self, Errno> {
        let key = |name: &str| Meta::at(CWD, format!("{dpkg}/{name}").as_bytes()).map(|found| found.key());
        let parts = key("info").map(|info| [Some(info), key("status").ok(), key("diversions").ok()]);
        match (parts, rpm) {
            (Err(errno), None) => Err(errno),
            (parts, rpm) => Ok(Self {
                dpkg: parts.ok().map(|parts| (dpkg.to_owned(), parts)),
                rpm,
            }),
        }
    }
}

impl Index {
    /// Reads the whole of every database.
    ///
    /// # Errors
    /// When the only one cannot be listed; a part that cannot be read is a gap.
    pub(super) fn read(sources: Sources) -> Result<Self, Errno> {
        let mut index = Self {
            sources: sources.clone(),
            gaps: Vec::new(),
            packages: Vec::new(),
            paths: Paths::of_host(),
            listed: Vec::new(),
            sums: Vec::new(),
            by_sum: Vec::new(),
        };
        if let Some((root, _)) = &sources.dpkg {
            match index.take_dpkg(root) {
                Err(errno) if sources.rpm.is_none() => return Err(errno),
                Err(errno) => index.gaps.push((HostBytes::from(root.as_str()), reason(errno))),
                Ok(()) => {}
            }
        }
        if let Some(database) = &sources.rpm {
            index.take_rpm(database);
        }
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
    pub(super) fn sums_of(&self, path: &HostPath) -> impl Iterator<Item = (String, Sum)> {
        let number = self.paths.number(path.as_bytes());
        let at = self.sums.partition_point(|sum| sum.path < number);
        let same = self.sums[at..].iter().take_while(move |sum| sum.path == number);
        same.map(|sum| (self.name(sum.package), sum.sum))
    }

    /// Whether some package keeps digests of that kind.
    pub(super) fn keeps(&self, kind: fn(&Sum) -> bool) -> bool {
        // By digest, those of one kind stand together.
        let ends = [self.by_sum.first(), self.by_sum.last()];
        let mut ends = ends.into_iter().flatten();
        ends.any(|place| kind(&self.sums[*place as usize].sum))
    }

    /// A package that has a file of that content, and the file's path as the package has it.
    pub(super) fn packaged_as(&self, sum: &Sum) -> Option<(String, HostPath)> {
        let at = self
            .by_sum
            .partition_point(|place| self.sums[*place as usize].sum < *sum);
        let same = self.by_sum[at..]
            .iter()
            .map(|place| self.sums[*place as usize])
            .take_while(|known| known.sum == *sum);
        same.into_iter().find_map(|known| {
            let path = self.path_in(&self.packages[known.package as usize].kept, sum)?;
            Some((self.name(known.package), HostPath::new(path)))
        })
    }

    /// The first path under which a package has that content, read again: only hashes of paths are kept.
    fn path_in(&self, kept: &Kept, sum: &Sum) -> Option<Vec<u8>> {
        match kept {
            Kept::Dpkg(file) => {
                let file = database_file(file).ok()?;
                let path = parse_md5sums(&file)
                    .find(|(packaged, _)| Sum::Md5(*packaged) == *sum)
                    .map(|(_, path)| path.to_vec())?;
                Some([b"/", &path[..]].concat())
            }
            Kept::Rpm(wanted) => {
                let mut found = None;
                let mut take = |number, header: &[u8]| {
                    if number != *wanted {
                        return ControlFlow::Continue(());
                    }
                    found = rpm::parse(header).and_then(|package| {
                        let file = package.files.iter().find(|file| file.sum == Some(*sum))?;
                        Some(file.path())
                    });
                    ControlFlow::Break(())
                };
                // A database that broke since then does not know the path any more.
                self.sources.rpm.as_ref()?.headers(&mut take).ok()?;
                found
            }
        }
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

    /// Reads dpkg's database.
    fn take_dpkg(&mut self, root: &str) -> Result<(), Errno> {
        let info = format!("{root}/info");
        let (names, whole) = walk::names(open_without_atime(CWD, info.as_bytes(), OFlags::DIRECTORY)?, FILES)?;
        if !whole {
            self.gaps.push((HostBytes::new(info.as_bytes()), GapReason::TooMany));
        }
        let diversions = self.part(format!("{root}/diversions").as_bytes());
        let diverted: HashMap<&[u8], Diversion<'_>> = parse_diversions(&diversions)
            .into_iter()
            .map(|diversion| (diversion.from, diversion))
            .collect();
        for name in names.iter().map(|name| name.to_bytes()) {
            if let Some((package, b"list")) = package_of(name) {
                let file = [info.as_bytes(), b"/", name].concat();
                self.take_package(package, &file, &diverted);
            }
        }
        let status = self.part(format!("{root}/status").as_bytes());
        self.take_conffiles(&status);
        Ok(())
    }

    /// Reads RPM's database, as far as it goes.
    fn take_rpm(&mut self, database: &Database) {
        let mut broken = 0_u32;
        let end = database.headers(&mut |number, header| {
            let place = u32::try_from(self.packages.len());
            let (Some(package), Ok(place)) = (rpm::parse(header), place) else {
                broken = broken.saturating_add(1);
                return ControlFlow::Continue(());
            };
            for file in &package.files {
                let path = self.paths.number(&file.path());
                self.listed.push((path, place));
                self.sums.extend(file.sum.map(|sum| KeptSum {
                    path,
                    sum,
                    package: place,
                }));
            }
            self.packages.push(Package {
                name: package.name.to_vec(),
                kept: Kept::Rpm(number),
            });
            ControlFlow::Continue(())
        });
        let object = || HostBytes::from(database.path());
        if let Err(broken) = end {
            self.gaps.push((object(), broken.reason()));
        } else if broken > 0 {
            self.gaps.push((object(), GapReason::Malformed));
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
        self.sums.extend(parse_md5sums(&sums).map(|(sum, path)| KeptSum {
            path: place(&[b"/", path].concat()),
            sum: Sum::Md5(sum),
            package: number,
        }));
        self.packages.push(Package {
            name: name.to_vec(),
            kept: Kept::Dpkg(sums_file),
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
            Some(KeptSum {
                path: self.paths.number(path),
                sum: Sum::Md5(sum),
                package: *numbers.get(package)?,
            })
        });
        self.sums.extend(sums);
    }
}
