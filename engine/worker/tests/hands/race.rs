//! A hostile loop swaps what an act is about for something else, as fast as it can: nothing outside the planned object is
//! touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use deminer_worker::action::{Act, FileTarget, LineTarget};
use deminer_worker::platform::Platform;
use deminer_worker::platform::linux::Linux;
use deminer_worker::query::{Answer, Entry, Query};
use deminer_worker::text::{HostBytes, HostPath};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

/// How often each act is tried in each race.
const TIMES: u32 = 60;

/// The condemned line.
const BAD: &str = "*/5 * * * * /tmp/.x/run";

/// What is condemned.
const TEXT: &str = "0 3 * * * /usr/bin/backup\n*/5 * * * * /tmp/.x/run\n";

/// What the innocent file holds: to be removed, the very same; to be edited, all but the condemned line, since a file that has
/// it under the planned name is the planned one, whichever inode it is by then.
const INNOCENT: [&str; 2] = [TEXT, "0 3 * * * /usr/bin/backup\n*/5 * * * * /tmp/.x/ran\n"];

/// What is swapped for what.
#[derive(Debug, Clone, Copy)]
enum Race {
    /// The file for a link to the innocent one.
    SymbolicLink,
    /// The file for another name of the innocent one.
    HardLink,
    /// Its directory for a link to the innocent one's directory.
    Directory,
    /// Its directory for the innocent one's directory itself.
    WholeDirectory,
}

/// A condemned file and an innocent one of the same name in another directory.
struct Scene {
    root: TempDir,
}

impl Scene {
    fn new(race: Race, innocent: &str) -> Scene {
        let scene = Scene {
            root: tempfile::tempdir().expect("a directory"),
        };
        fs::create_dir(scene.at("victim")).expect("a directory");
        fs::write(scene.at("victim/table"), innocent).expect("written");
        fs::create_dir(scene.at("den")).expect("a directory");
        scene.renew();
        match race {
            Race::SymbolicLink => symlink(scene.at("victim/table"), scene.at("other")).expect("a link"),
            Race::HardLink => fs::hard_link(scene.at("victim/table"), scene.at("other")).expect("a name"),
            Race::Directory => symlink(scene.at("victim"), scene.at("other")).expect("a link"),
            Race::WholeDirectory => {}
        }
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The condemned file, anew.
    fn renew(&self) {
        let _ = fs::remove_file(self.at("den/table"));
        fs::write(self.at("den/table"), TEXT).expect("written");
    }

    /// The two names that the loop exchanges.
    fn names(&self, race: Race) -> [PathBuf; 2] {
        match race {
            Race::SymbolicLink | Race::HardLink => [self.at("den/table"), self.at("other")],
            Race::Directory => [self.at("den"), self.at("other")],
            Race::WholeDirectory => [self.at("den"), self.at("victim")],
        }
    }

    /// Inode, length, times and content of the innocent file, wherever it is by now.
    fn innocent(&self, inode: u64) -> (u64, i64, String) {
        let places = ["victim/table", "den/table"].map(|name| self.at(name));
        let found = places
            .iter()
            .find(|path| fs::symlink_metadata(path).is_ok_and(|of| of.ino() == inode));
        let found = found.expect("the innocent file is there");
        let of = fs::metadata(found).expect("there");
        (of.nlink(), of.mtime(), fs::read_to_string(found).expect("text"))
    }
}

/// Exchanges two names until it is stopped.
struct Loop {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Loop {
    fn start([one, other]: [PathBuf; 2]) -> Loop {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (runs, is_running) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while !told.load(Ordering::Relaxed) {
                // Where one of them is gone for a moment there is nothing to exchange.
                swaps += u64::from(renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok());
                if swaps == 2 {
                    let _ = runs.send(());
                }
            }
            // An even number, so that each is where it was.
            if swaps % 2 == 1 {
                while renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_err()
                    && one.exists()
                    && other.exists()
                {}
            }
            swaps
        });
        // On a busy machine a thread begins when all is over.
        let _ = is_running.recv();
        Loop {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops it; gives how often it exchanged.
    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }
}

fn target(platform: &Linux, path: &Path) -> FileTarget {
    let query = Query::Stat {
        paths: vec![HostPath::new(path.as_os_str().as_encoded_bytes())],
        digest: true,
    };
    match platform.answer(&query).expect("an answer").value {
        Answer::Entries(entries) => match entries.first() {
            Some(Entry::Present(stat)) => FileTarget::from_stat(stat).expect("hashed"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn acts(file: &FileTarget) -> [Act; 2] {
    let line = LineTarget {
        number: 2,
        line: HostBytes::from(BAD),
        mark: HostBytes::from("/tmp/.x/run"),
    };
    [
        Act::RemoveFile { file: file.clone() },
        Act::EditLines {
            file: file.clone(),
            remove: vec![line],
            syntax: None,
        },
    ]
}

/// Names that are neither the scene's nor anybody's: what an act left behind.
fn strange(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "table").collect()
}

#[test]
fn nothing_but_the_planned_object_is_touched() {
    let platform = Linux::new();
    for race in [
        Race::SymbolicLink,
        Race::HardLink,
        Race::Directory,
        Race::WholeDirectory,
    ] {
        for (kind, innocent) in INNOCENT.into_iter().enumerate() {
            let scene = Scene::new(race, innocent);
            let inode = fs::metadata(scene.at("victim/table")).expect("there").ino();
            let before = scene.innocent(inode);
            let mut swaps = 0;
            for _ in 0..TIMES {
                let file = target(&platform, &scene.at("den/table"));
                assert_ne!(file.id.inode.0, inode, "{race:?}: the condemned file is meant");
                let run = Loop::start(scene.names(race));
                let done = platform.act(&acts(&file)[kind]);
                swaps += run.end();
                assert_eq!(
                    scene.innocent(inode),
                    before,
                    "{race:?}: {done:?}, left {:?}",
                    strange(&scene.at("den"))
                );
                // What became of the condemned one is the act's own matter: it is anew for the next time.
                if !fs::symlink_metadata(scene.at("den")).expect("there").is_dir()
                    || fs::metadata(scene.at("den/table")).is_ok_and(|of| of.ino() == inode)
                {
                    let [one, other] = scene.names(race);
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("both are there");
                }
                for name in strange(&scene.at("den")) {
                    let left = scene.at("den").join(&name);
                    assert_ne!(
                        fs::metadata(&left).expect("there").ino(),
                        inode,
                        "{race:?}: {name}, {done:?}"
                    );
                    fs::remove_file(left).expect("ours");
                }
                assert_eq!(strange(&scene.at("victim")), Vec::<String>::new(), "{race:?}: {done:?}");
                scene.renew();
            }
            assert!(swaps > u64::from(TIMES), "{race:?}: the loop hardly ran: {swaps}");
        }
    }
}
