use super::*;
use crate::platform::linux::look::Look;
use crate::query::{FileText, Query};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

fn host(path: &Path) -> HostPath {
    HostPath::new(path.as_os_str().as_bytes())
}

/// `a`, `b/c`, `b/d/e`, `.h`, a link `l` to `b` and a link `k` to nothing.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("b/d")).unwrap();
    for (name, content) in [("a", "A"), ("b/c", "C"), ("b/d/e", "E"), (".h", "H")] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    symlink("b", dir.path().join("l")).unwrap();
    symlink("/nonexistent", dir.path().join("k")).unwrap();
    dir
}

fn relative(dir: &Path, path: &HostPath) -> String {
    let root = host(dir);
    HostPath::new(&path.as_bytes()[root.as_bytes().len()..]).to_string()
}

fn walked(dir: &Path, roots: &[&str], max_depth: u32, max_entries: u32) -> (Vec<String>, Vec<GapReason>) {
    let roots = roots.iter().map(|root| host(&dir.join(root))).collect();
    let query = Query::Walk {
        roots,
        max_depth,
        max_entries,
    };
    let observed = Look::new().answer(&query).unwrap();
    let Answer::Walk(stats) = observed.value else {
        panic!("another answer");
    };
    let names = stats.iter().map(|stat| relative(dir, &stat.path)).collect();
    (names, observed.coverage.gaps.iter().map(|gap| gap.why).collect())
}

#[test]
fn walks_keep_their_bounds() {
    let dir = tree();
    let path = dir.path();
    let all = ["/.h", "/a", "/b", "/b/c", "/b/d", "/b/d/e", "/k", "/l"];
    assert_eq!(walked(path, &[""], 9, 99), (all.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(walked(path, &["b", "", "b"], 9, 99).0, all, "each path once");
    assert_eq!(walked(path, &[""], 0, 99).0, ["/.h", "/a", "/b", "/k", "/l"]);
    assert_eq!(walked(path, &[""], 1, 99).0.len(), 7);
    assert_eq!(walked(path, &["l"], 9, 99).0, ["/l"], "a link is not followed");
    assert_eq!(walked(path, &["a"], 9, 99).0, ["/a"]);
    assert_eq!(walked(path, &["absent"], 9, 99), (vec![], vec![]));
    let (names, gaps) = walked(path, &[""], 9, 3);
    assert_eq!(names.len(), 3);
    assert!(gaps.contains(&GapReason::TooMany));
}

#[test]
fn a_very_deep_tree_ends_with_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let deep = vec!["d"; DEEPEST as usize + 5].join("/");
    fs::create_dir_all(dir.path().join(deep)).unwrap();
    let (names, gaps) = walked(dir.path(), &[""], u32::MAX, u32::MAX);
    assert_eq!(names.len(), DEEPEST as usize + 1);
    assert_eq!(gaps, [GapReason::Cut]);
}

#[test]
fn another_mount_is_not_entered() {
    let (names, _) = walked(Path::new("/"), &[""], 1, 100_000);
    assert!(names.iter().any(|name| name == "proc"));
    assert!(!names.iter().any(|name| name.starts_with("proc/")));
}

#[test]
fn lists() {
    let dir = tree();
    let list = |path: HostPath| {
        let observed = Look::new().answer(&Query::List { path }).unwrap();
        let Answer::Entries(entries) = observed.value else {
            panic!("another answer");
        };
        let told: Vec<String> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Present(stat) => relative(dir.path(), &stat.path),
                Entry::Absent { .. } => "absent".to_owned(),
                Entry::Hidden { why, .. } => format!("{why:?}"),
            })
            .collect();
        told
    };
    assert_eq!(list(host(dir.path())), ["/.h", "/a", "/b", "/k", "/l"]);
    assert_eq!(list(host(&dir.path().join("l"))), ["/l/c", "/l/d"]);
    assert_eq!(list(host(&dir.path().join("absent"))), ["absent"]);
    assert_eq!(list(host(&dir.path().join("a"))), ["Malformed"]);
}

#[test]
fn trees_by_pattern() {
    let dir = tree();
    let read = |patterns: &[&str], max_files, max_file_bytes| {
        let patterns = patterns.iter().map(|pattern| host(&dir.path().join(pattern))).collect();
        let query = Query::ReadTree {
            patterns,
            max_files,
            max_file_bytes,
        };
        let observed = Look::new().answer(&query).unwrap();
        let Answer::Files(files) = observed.value else {
            panic!("another answer");
        };
        let told: Vec<String> = files
            .iter()
            .map(|FileText { stat, content, cut }| format!("{}={content}{cut}", relative(dir.path(), &stat.path)))
            .collect();
        (
            told,
            observed.coverage.gaps.iter().map(|gap| gap.why).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        read(&["*"], 9, 9).0,
        ["/.h=Hfalse", "/a=Afalse", "/k=false", "/l=false"]
    );
    assert_eq!(read(&["?/c", "b/*/e", "b/c"], 9, 9).0, ["/b/c=Cfalse", "/b/d/e=Efalse"]);
    assert_eq!(read(&["l/c"], 9, 9).0, ["/l/c=Cfalse"], "what is named may be a link");
    assert_eq!(
        read(&["*/c"], 9, 9).0,
        ["/b/c=Cfalse"],
        "what is matched is not followed"
    );
    assert_eq!(
        read(&["a", "absent", "b/absent/*", "a/x"], 9, 0),
        (vec!["/a=true".to_owned()], vec![])
    );
    let (files, gaps) = read(&["*"], 1, 9);
    assert_eq!((files.len(), gaps), (1, vec![GapReason::TooMany]));
}
