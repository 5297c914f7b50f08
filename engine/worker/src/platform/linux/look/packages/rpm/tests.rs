use super::header::PackagedFile;
use super::*;
use crate::platform::linux::look::packages::Sum;
use proptest::prelude::*;

// Headers of packages that rpmbuild 4.18 made; `rpmdb.sqlite`, `many.sqlite` and the log were written by SQLite,
// `Packages` by Berkeley DB's own loader.
const SQLITE: &[u8] = include_bytes!("fixtures/rpmdb.sqlite");
const MANY: &[u8] = include_bytes!("fixtures/many.sqlite");
const BEFORE_LOG: &[u8] = include_bytes!("fixtures/wal.sqlite");
const LOG: &[u8] = include_bytes!("fixtures/wal.sqlite-wal");
const NDB: &[u8] = include_bytes!("fixtures/Packages.db");
const BDB: &[u8] = include_bytes!("fixtures/Packages");

type Read = fn(&[u8], &mut Sink<'_>) -> Result<(), Broken>;

const READERS: [(&str, &[u8], Read); 3] = [
    ("sqlite", SQLITE, |bytes, sink| sqlite::headers(bytes, &[][..], sink)),
    ("ndb", NDB, |bytes, sink| ndb::headers(bytes, sink)),
    ("bdb", BDB, |bytes, sink| bdb::headers(bytes, sink)),
];

/// Headers with their numbers, rising.
type Headers = Vec<(u32, Vec<u8>)>;

fn all(read: impl FnOnce(&mut Sink<'_>) -> Result<(), Broken>) -> (Headers, Result<(), Broken>) {
    let mut found = Vec::new();
    let mut take = |number, header: &[u8]| {
        found.push((number, header.to_vec()));
        ControlFlow::Continue(())
    };
    let end = read(&mut Sink::new(&mut take));
    found.sort();
    (found, end)
}

fn told(header: &[u8]) -> Vec<String> {
    let package = parse(header).unwrap();
    let sum = |file: &PackagedFile<'_>| match file.sum {
        Some(Sum::Md5(sum)) => format!("md5 {:02x}", sum[0]),
        Some(Sum::Sha256(sum)) => format!("sha256 {:02x}", sum[0]),
        None => "-".to_owned(),
    };
    let name = String::from_utf8_lossy(package.name).into_owned();
    let files = package.files.iter();
    files
        .map(|file| format!("{name} {} {}", String::from_utf8_lossy(&file.path()), sum(file)))
        .collect()
}

#[test]
fn the_same_packages_from_each_container() {
    for (name, bytes, read) in READERS {
        let (found, end) = all(|sink| read(bytes, sink));
        assert_eq!(end, Ok(()), "{name}");
        assert_eq!(found.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3], "{name}");
        let expected = [
            "alpha-tools /etc/alpha/alpha.conf sha256 71",
            "alpha-tools /usr/bin/alpha sha256 5c",
            "alpha-tools /usr/bin/alpha-link -",
            "alpha-tools /usr/share/alpha x/notes sha256 30",
            "alpha-tools /var/log/alpha.log -",
        ];
        assert_eq!(told(&found[0].1), expected, "{name}");
        assert_eq!(told(&found[1].1).len(), 7, "{name}: a directory and six files");
        assert_eq!(told(&found[2].1), ["gamma-old /usr/bin/gamma md5 30"], "{name}");
    }
}

#[test]
fn a_reader_stops_when_it_is_told_to() {
    for (name, bytes, read) in READERS {
        let mut met = 0;
        let mut take = |_, _: &[u8]| {
            met += 1;
            ControlFlow::Break(())
        };
        assert_eq!(read(bytes, &mut Sink::new(&mut take)), Ok(()), "{name}");
        assert_eq!(met, 1, "{name}");
    }
}

#[test]
fn a_tree_of_several_pages() {
    let (found, end) = all(|sink| sqlite::headers(MANY, &[][..], sink));
    assert_eq!(end, Ok(()));
    let expected: Vec<(u32, usize)> = (1..=60).map(|n| (n, n as usize)).collect();
    assert_eq!(
        found.iter().map(|(n, blob)| (*n, blob.len())).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn the_log_is_newer_as_far_as_it_is_committed() {
    let read = |log: &[u8]| all(|sink| sqlite::headers(BEFORE_LOG, log, sink)).0;
    let (one, two) = ((1, vec![0xaa]), (2, vec![0xbb, 0xbb]));
    let changed = (1, vec![0xcc; 3]);
    assert_eq!(read(&[]), std::slice::from_ref(&one));
    assert_eq!(read(LOG), [changed, two.clone()]);
    let frame = 24 + 512;
    let first = LOG_HEAD + (LOG.len() - LOG_HEAD) / frame * frame - frame;
    assert_eq!(
        read(&LOG[..first]),
        [one.clone(), two.clone()],
        "without its last commit"
    );
    assert_eq!(read(&LOG[..first + frame - 1]), [one.clone(), two], "a torn frame");
    let mut bent = LOG.to_vec();
    bent[LOG_HEAD + 24 + 500] ^= 1;
    assert_eq!(
        read(&bent),
        [one],
        "a frame that does not fit its checksum, and all behind it"
    );
}

const LOG_HEAD: usize = 32;

#[test]
fn what_is_none_of_them_says_so() {
    for (name, bytes, read) in READERS {
        assert_eq!(all(|sink| read(&[], sink)).1, Err(Broken::Malformed), "{name}: nothing");
        assert_eq!(
            all(|sink| read(&vec![0; 8192], sink)).1,
            Err(Broken::Malformed),
            "{name}: zeros"
        );
        let (_, end) = all(|sink| read(&bytes[..bytes.len() / 2], sink));
        assert!(end.is_err(), "{name}: cut");
    }
    let mut tree = BDB.to_vec();
    tree[12..16].copy_from_slice(&0x0005_3162_u32.to_le_bytes());
    assert_eq!(all(|sink| bdb::headers(&tree[..], sink)).1, Err(Broken::Unsupported));
    assert_eq!(parse(b""), None);
    assert_eq!(parse(&[0; 8]), None, "a package without a name");
}

#[test]
fn a_database_is_found_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    assert_eq!(find_in(place), None);
    for (file, bytes) in [("Packages", BDB), ("Packages.db", NDB), ("rpmdb.sqlite", SQLITE)] {
        std::fs::write(dir.path().join(file), bytes).unwrap();
        let database = find_in(place).unwrap();
        assert_eq!(database.path(), format!("{place}/{file}"), "a newer form goes first");
        let mut packages = 0;
        let mut take = |_, _: &[u8]| {
            packages += 1;
            ControlFlow::Continue(())
        };
        assert_eq!((database.headers(&mut take), packages), (Ok(()), 3));
    }
}

/// A few bytes changed anywhere.
fn bent() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
}

fn bend(bytes: &[u8], changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, changes in bent(), log_changes in bent()) {
        for (_, good, read) in READERS {
            let magic = &good[..good.len().min(100)];
            for bytes in [bytes.clone(), [magic, &bytes].concat(), bend(good, &changes)] {
                let (found, _) = all(|sink| read(&bytes, sink));
                for (_, header) in found {
                    let _ = parse(&header);
                }
            }
        }
        let _ = all(|sink| sqlite::headers(&bend(BEFORE_LOG, &changes)[..], &bend(LOG, &log_changes)[..], sink));
        let _ = parse(&bytes);
    }

    #[test]
    fn no_header_panics(changes in bent(), which in 0_usize..3) {
        let (found, _) = all(|sink| ndb::headers(NDB, sink));
        let _ = parse(&bend(&found[which].1, &changes));
    }
}
