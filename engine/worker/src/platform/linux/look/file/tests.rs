use super::*;
use crate::platform::linux::look::Look;
use crate::query::Query;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn host(path: &Path) -> HostPath {
    HostPath::new(path.as_os_str().as_bytes())
}

fn stat_of(paths: Vec<HostPath>, digest: bool) -> Observed<Vec<Entry>> {
    let observed = Look::new().answer(&Query::Stat { paths, digest }).unwrap();
    observed.map(|answer| match answer {
        Answer::Entries(entries) => entries,
        other => panic!("another answer: {other:?}"),
    })
}

fn read_of(path: HostPath, max_bytes: u32) -> Observed<Vec<FileText>> {
    let observed = Look::new().answer(&Query::Read { path, max_bytes }).unwrap();
    observed.map(|answer| match answer {
        Answer::Files(files) => files,
        other => panic!("another answer: {other:?}"),
    })
}

fn present(entry: &Entry) -> &FileStat {
    match entry {
        Entry::Present(stat) => stat,
        other => panic!("not present: {other:?}"),
    }
}

#[test]
fn every_kind_is_told_and_none_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a b\n");
    fs::write(&file, "content").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
    let link = dir.path().join("link");
    symlink("a b\n", &link).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let paths = [&file, &link, &fifo, &socket, &dir.path().to_owned()].map(|path| host(path));
    let mut paths = paths.to_vec();
    paths.extend(["/dev/null", "/nonexistent/x", "/etc/passwd/x", "relative"].map(HostPath::from));
    let told = stat_of(paths.clone(), true);
    let stat = present(&told.value[0]);
    let expected = fs::symlink_metadata(&file).unwrap();
    assert_eq!(stat.path, paths[0]);
    assert_eq!((stat.kind, stat.mode, stat.links), (FileKind::Regular, 0o4751, 1));
    assert_eq!((stat.id.dev.0, stat.id.inode.0), (expected.dev(), expected.ino()));
    assert_eq!(
        stat.mtime_ns.0,
        expected.mtime() as u64 * 1_000_000_000 + expected.mtime_nsec() as u64
    );
    assert_eq!(stat.sha256, Some(Digest::of(b"content")));
    assert!(paths[0].is_below(&stat.mount));
    let link = present(&told.value[1]);
    assert_eq!(link.kind, FileKind::Link);
    assert_eq!(link.link_target.as_ref().unwrap().as_bytes(), b"a b\n");
    assert_eq!(link.sha256, None);
    let kinds: Vec<FileKind> = told.value[2..6].iter().map(|entry| present(entry).kind).collect();
    let expected = [
        FileKind::Fifo,
        FileKind::Socket,
        FileKind::Directory,
        FileKind::CharacterDevice,
    ];
    assert_eq!(kinds, expected);
    assert!(matches!(&told.value[6], Entry::Absent { path } if *path == paths[6]));
    assert!(matches!(&told.value[7], Entry::Absent { .. }));
    assert!(matches!(
        &told.value[8],
        Entry::Hidden {
            why: GapReason::Malformed,
            ..
        }
    ));
    assert_eq!(told.coverage.gaps.len(), 1, "{:?}", told.coverage);
}

#[test]
fn the_time_of_access_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "content").unwrap();
    // relatime updates an access that is older than the change.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let times = fs::FileTimes::new().set_accessed(old);
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_times(times)
        .unwrap();
    stat_of(vec![host(&file)], true);
    read_of(host(&file), 100);
    Look::new().answer(&Query::List { path: host(dir.path()) }).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().accessed().unwrap(), old);
}

#[test]
fn attributes_are_read_where_the_file_system_has_them() {
    let file = tempfile::NamedTempFile::new_in(std::env::var("CARGO_MANIFEST_DIR").unwrap()).unwrap();
    let set =
        |name: &str, value: &[u8]| rustix::fs::setxattr(file.path(), name, value, rustix::fs::XattrFlags::empty());
    if set("user.b", b"\xff\0").is_err() {
        // Then there are none to be read either.
        assert!(
            present(&stat_of(vec![host(file.path())], false).value[0])
                .xattrs
                .is_empty()
        );
        return;
    }
    set("user.a", &[7; 3000]).unwrap();
    let told = stat_of(vec![host(file.path())], false);
    let xattrs = &present(&told.value[0]).xattrs;
    let own: Vec<(&[u8], &[u8])> = xattrs.iter().map(|x| (x.name.as_bytes(), x.value.as_bytes())).collect();
    assert_eq!(own, [(&b"user.a"[..], &[7; 3000][..]), (b"user.b", b"\xff\0")]);
    assert!(told.coverage.is_whole());
}

#[test]
fn reading_stops_at_the_limit_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "0123456789").unwrap();
    let rows = [
        (10, "0123456789", false),
        (11, "0123456789", false),
        (9, "012345678", true),
        (0, "", true),
    ];
    for (limit, content, cut) in rows {
        let text = read_of(host(&file), limit).value.remove(0);
        assert_eq!(
            (text.content.as_bytes(), text.cut),
            (content.as_bytes(), cut),
            "{limit}"
        );
        assert_eq!(text.stat.sha256, (!cut).then(|| Digest::of(b"0123456789")), "{limit}");
    }
    assert!(read_of(host(&dir.path().join("absent")), 10).value.is_empty());
    let proc = read_of("/proc/self/status".into(), 1 << 20).value.remove(0);
    assert!(proc.content.as_bytes().starts_with(b"Name:"));
}

#[test]
fn what_would_block_is_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let link = dir.path().join("link");
    symlink(&fifo, &link).unwrap();
    let began = SystemTime::now();
    for path in [&fifo, &link] {
        let text = read_of(host(path), 10).value.remove(0);
        assert!(text.content.is_empty());
        assert_ne!(text.stat.kind, FileKind::Regular);
    }
    assert!(system_file(link.to_str().unwrap(), 10).is_err());
    assert!(began.elapsed().unwrap() < Duration::from_secs(20));
}

#[test]
fn an_exchanged_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "").unwrap();
    fs::write(dir.path().join("b"), "").unwrap();
    let place = Place::of(&host(&dir.path().join("a"))).unwrap();
    let other = Meta::at(&place.dir, b"b").unwrap();
    assert_eq!(open_quietly(&place.dir, b"a", &other).err(), Some(Errno::LOOP));
}

#[test]
fn the_root_and_odd_paths() {
    let rows = [
        ("/", "/", "."),
        ("//", "/", "."),
        ("/etc", "/", "etc"),
        ("/etc/", "/", "etc"),
        ("/usr//bin", "/usr", "bin"),
    ];
    for (path, dir, name) in rows {
        let place = Place::of(&path.into()).unwrap();
        assert_eq!(place.name, name.as_bytes(), "{path}");
        let opened = path_of(place.dir.as_fd()).unwrap();
        assert_eq!(opened.as_bytes(), dir.as_bytes(), "{path}");
    }
    for path in [&b""[..], b"x", b"/a\0b"] {
        assert_eq!(Place::of(&HostPath::new(path)).err(), Some(Errno::INVAL));
    }
    assert_eq!(nanoseconds(-1, 5), 0);
    assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path)
    }
}
