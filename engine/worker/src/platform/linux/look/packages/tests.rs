use super::*;
use crate::platform::linux::beside::write_program;
use crate::platform::linux::look::Look;
use crate::query::{Answer, Query};
use std::fs;
use std::path::Path;

fn database(root: &Path) {
    let info = root.join("info");
    fs::create_dir(&info).unwrap();
    // MD5 of "cat\n", "sh\n" and "conf\n".
    fs::write(
        info.join("coreutils.list"),
        "/.\n/bin\n/bin/cat\n/usr/share/doc/x y\n/etc/u.conf\n",
    )
    .unwrap();
    fs::write(
        info.join("coreutils.md5sums"),
        "54b8617eca0e54c7d3c8e6732c6b687a  bin/cat\n",
    )
    .unwrap();
    fs::write(info.join("bash:amd64.list"), "/bin/sh\n").unwrap();
    fs::write(
        info.join("bash:amd64.md5sums"),
        "a56bb49b06bf3cd1db1f8da4e12c0e1e  bin/sh\n",
    )
    .unwrap();
    fs::write(root.join("diversions"), "/bin/sh\n/bin/sh.distrib\ndash\n").unwrap();
    fs::write(
        root.join("status"),
        "Package: coreutils\nConffiles:\n /etc/c.conf 00000000000000000000000000000001\nDescription: x\n",
    )
    .unwrap();
}

fn index(root: &Path) -> Index {
    let root = root.to_str().unwrap();
    Index::read(Sources::find(root, rpm::find_in(root)).unwrap()).unwrap()
}

#[test]
fn owners_by_path_and_by_content() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path());
    let index = index(dir.path());
    assert!(index.gaps.is_empty());
    let cat: Sum = index.sums_of(&"/bin/cat".into()).next().unwrap().1;
    let other = Sum::Md5([9; 16]);
    let coreutils = || "coreutils".to_owned();
    let rows: [(&str, u64, Sum, Ownership); 9] = [
        ("/bin/cat", 4, cat, Ownership::Owned { package: coreutils() }),
        ("/bin/cat", 4, other, Ownership::Modified { package: coreutils() }),
        (
            "/usr/share/doc/x y",
            4,
            other,
            Ownership::Listed { package: coreutils() },
        ),
        ("/etc/c.conf", 4, other, Ownership::Unowned),
        ("/tmp/x", 4, other, Ownership::Unowned),
        ("/tmp/x", 0, cat, Ownership::Unowned),
        (
            "/tmp/x",
            4,
            cat,
            Ownership::Copied {
                package: coreutils(),
                original: "/bin/cat".into(),
            },
        ),
        ("/bin/sh", 4, other, Ownership::Unowned),
        (
            "/bin/sh.distrib",
            4,
            other,
            Ownership::Modified {
                package: "bash".to_owned(),
            },
        ),
    ];
    for (path, size, sum, expected) in rows {
        let path = HostPath::from(path);
        let listed = index.package_of(&path);
        assert_eq!(
            by_content(&index, std::slice::from_ref(&path), listed, size, &[sum]),
            expected,
            "{path}"
        );
    }
    assert_eq!(
        index.sums_of(&"/etc/c.conf".into()).count(),
        1,
        "a configuration file has the digest of `status`"
    );
}

#[test]
fn a_part_that_cannot_be_read_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path());
    fs::create_dir(dir.path().join("info/odd.list")).unwrap();
    assert_eq!(index(dir.path()).gaps.len(), 1);
    assert_eq!(Sources::find("/nonexistent", None).err(), Some(Errno::NOENT));
}

#[test]
fn owners_by_the_database_of_rpm() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("rpmdb.sqlite"),
        include_bytes!("rpm/fixtures/rpmdb.sqlite"),
    )
    .unwrap();
    let index = index(dir.path());
    assert!(index.gaps.is_empty() && index.keeps(Sum::is_md5) && index.keeps(Sum::is_sha256));
    let sum = |path: &str| index.sums_of(&path.into()).next().unwrap().1;
    let (alpha, gamma) = (sum("/usr/bin/alpha"), sum("/usr/bin/gamma"));
    let other = Sum::Sha256([9; 32]);
    let tools = || "alpha-tools".to_owned();
    let rows: [(&str, Sum, Ownership); 6] = [
        ("/usr/bin/alpha", alpha, Ownership::Owned { package: tools() }),
        ("/usr/bin/alpha", other, Ownership::Modified { package: tools() }),
        ("/etc/alpha/alpha.conf", other, Ownership::Modified { package: tools() }),
        ("/var/log/alpha.log", other, Ownership::Listed { package: tools() }),
        (
            "/tmp/.x/kworker",
            gamma,
            Ownership::Copied {
                package: "gamma-old".to_owned(),
                original: "/usr/bin/gamma".into(),
            },
        ),
        ("/tmp/.x/kworker", other, Ownership::Unowned),
    ];
    for (path, sum, expected) in rows {
        let path = HostPath::from(path);
        let listed = index.package_of(&path);
        let told = by_content(&index, std::slice::from_ref(&path), listed, 4, &[sum]);
        assert_eq!(told, expected, "{path}");
    }
}

#[test]
fn a_host_with_both_databases_asks_both() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path());
    let broken = &include_bytes!("rpm/fixtures/Packages.db")[..9000];
    fs::write(dir.path().join("Packages.db"), broken).unwrap();
    let both = index(dir.path());
    assert_eq!(both.package_of(&"/bin/cat".into()).as_deref(), Some("coreutils"));
    let first = both.package_of(&"/usr/bin/alpha".into());
    assert_eq!(
        first.as_deref(),
        Some("alpha-tools"),
        "what was read before the end stands"
    );
    assert_eq!(both.gaps.len(), 1, "and the end is a gap");
}

#[test]
fn this_host_knows_its_own() {
    let look = Look::new();
    if Sources::find(DPKG, rpm::find()).is_err() {
        let told = look
            .answer(&Query::Packages {
                files: vec!["/etc/passwd".into()],
            })
            .unwrap();
        assert_eq!(told.value, Answer::Packages(vec![Ownership::Unknown]));
        assert_eq!(told.coverage.gaps[0].why, GapReason::Unsupported);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("harmless");
    write_program(&copy, &fs::read("/bin/sleep").unwrap());
    let mut child = std::process::Command::new(&copy).arg("60").spawn().unwrap();
    fs::remove_file(&copy).unwrap();
    let again = dir.path().join("again");
    fs::copy("/bin/sleep", &again).unwrap();
    let files = vec![
        HostPath::from("/bin/sleep"),
        HostPath::from("/usr/bin/sleep"),
        HostPath::new(again.as_os_str().as_encoded_bytes()),
        HostPath::from(format!("/proc/{}/exe", child.id()).as_str()),
        HostPath::from("/nonexistent/x"),
    ];
    let told = look.answer(&Query::Packages { files }).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let Answer::Packages(owners) = told.value else {
        panic!("another answer");
    };
    let coreutils = || "coreutils".to_owned();
    assert_eq!(owners[0], Ownership::Owned { package: coreutils() });
    assert_eq!(owners[1], Ownership::Owned { package: coreutils() });
    for owner in &owners[2..4] {
        assert!(
            matches!(owner, Ownership::Copied { package, .. } if *package == coreutils()),
            "{owner:?}"
        );
    }
    assert_eq!(owners[4], Ownership::Unknown);
    assert_eq!(told.coverage.gaps[0].why, GapReason::Gone);
}
