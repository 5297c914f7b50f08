//! The image that all hosts stand on: a small Debian, made once for each recipe and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deminer_worker::text::Digest;

use super::able::Unable;

/// Where images are kept, and what hosts write while they run. It may be removed whenever no test runs.
pub(crate) const CACHE: &str = "/var/cache/deminer-tests";

const SUITE: &str = "bookworm";

const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,cron,anacron,at,nftables,e2fsprogs,\
                        sudo,curl,ca-certificates,procps,iproute2,libjemalloc2";

/// What is done in the new root, as `sh -eu` there: no bulk, two people, nothing that is due in the middle of a test.
const FINISH: &str = "
rm -rf /var/cache/apt /var/lib/apt/lists /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /debootstrap
mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial
useradd --create-home --uid 1000 --shell /bin/bash deploy
useradd --create-home --uid 1001 --shell /bin/bash ines
rm -f /etc/machine-id /var/lib/dbus/machine-id
systemctl mask dpkg-db-backup.timer apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
";

/// The image's directory, made where it is not there yet: about a minute.
///
/// # Errors
/// [`Unable`] when the packages cannot be had.
///
/// # Panics
/// When the image cannot be made for another reason.
pub(crate) fn image() -> Result<PathBuf, Unable> {
    let recipe = format!("1\n{SUITE}\n{PACKAGES}\n{FINISH}");
    let digest = Digest::of(recipe.as_bytes()).to_string();
    let images = Path::new(CACHE).join("images");
    let image = images.join(&digest[..16]);
    fs::create_dir_all(&images).expect("a directory for images");
    // Whoever comes second waits, and finds it made.
    let alone = File::open(&images).expect("our own directory");
    alone.lock().expect("flock(2) of a directory");
    if image.exists() {
        return Ok(image);
    }
    let unfinished = images.join("unfinished");
    remove(&unfinished);
    let made = make(&unfinished);
    match &made {
        Ok(()) => fs::rename(&unfinished, &image).expect("a free name beside it"),
        Err(_) => remove(&unfinished),
    }
    made.map(|()| image)
}

fn remove(unfinished: &Path) {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).expect("an image that was left unfinished");
    }
}

fn make(root: &Path) -> Result<(), Unable> {
    let mirror = mirror().ok_or(Unable::NoMirror)?;
    let log = root.with_extension("log");
    let out = File::create(&log).expect("a log");
    let made = Command::new("debootstrap")
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
        .arg(root)
        .arg(&mirror)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stderr(out.try_clone().expect("our own file"))
        .stdout(out)
        .status();
    let said = fs::read_to_string(&log).unwrap_or_default();
    if !made.is_ok_and(|status| status.success()) {
        let error = said
            .lines()
            .find(|line| line.starts_with("E: "))
            .unwrap_or("E: it does not start");
        let network = ["Release", "download", "retrieve", "find these debs", "get"];
        assert!(
            network.iter().any(|word| error.contains(word)),
            "debootstrap ended with: {error}; all of it is in {}",
            log.display()
        );
        return Err(Unable::NoPackages(error.to_owned()));
    }
    fs::write(root.join("etc/apt/sources.list"), "").expect("a file of the image");
    let finished = Command::new("chroot")
        .arg(root)
        .args(["sh", "-euc", FINISH])
        .env("PATH", super::PATH)
        .status();
    assert!(finished.is_ok_and(|status| status.success()), "the image is finished");
    fs::remove_file(&log).expect("our own log");
    Ok(())
}

/// Where this machine's own apt takes Debian from.
fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path()),
    );
    files.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    files.iter().find_map(|path| match path.extension()?.to_str()? {
        "list" => one_line(&text(path)),
        "sources" => stanza(&text(path)),
        _ => None,
    })
}

/// Whether apt takes the distribution itself from there, and not what comes after it or from elsewhere.
fn is_debian(uri: &str, suite: &str, components: &str) -> bool {
    let main = components.split_whitespace().any(|component| component == "main");
    let web = uri.starts_with("http://") || uri.starts_with("https://");
    main && web && uri.trim_end_matches('/').ends_with("/debian") && !suite.contains('-') && !suite.contains('/')
}

/// Of a file in the one-line form of sources.list(5).
fn one_line(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = if rest.starts_with('[') {
            rest.split_once(']')?.1.trim_start()
        } else {
            rest
        };
        let (uri, rest) = rest.split_once(' ')?;
        let (suite, components) = rest.trim_start().split_once(' ')?;
        is_debian(uri, suite, components).then(|| uri.to_owned())
    })
}

/// Of a file in the deb822 form of sources.list(5).
fn stanza(text: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            let mut lines = stanza.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let (uri, suites) = (field("URIs")?, field("Suites")?);
        let uri = uri.split_whitespace().next()?;
        let fits = suites
            .split_whitespace()
            .any(|suite| is_debian(uri, suite, field("Components").unwrap_or_default()));
        (fits && field("Enabled") != Some("no")).then(|| uri.to_owned())
    })
}

#[test]
fn the_mirror_is_that_of_the_machine() {
    type Row = (
        &'static str,
        fn(&str) -> Option<String>,
        &'static str,
        Option<&'static str>,
    );
    let rows: [Row; 6] = [
        (
            "plain",
            one_line,
            "# deb http://a.example/debian x main\ndeb http://b.example/debian bookworm main\n",
            Some("http://b.example/debian"),
        ),
        (
            "options",
            one_line,
            "deb [arch=amd64 trusted=yes] https://b.example/debian/ stable main contrib\n",
            Some("https://b.example/debian/"),
        ),
        (
            "other",
            one_line,
            "deb https://c.example/node nodistro main\ndeb http://b.example/debian-security bookworm-security main\n",
            None,
        ),
        (
            "stanza",
            stanza,
            "Types: deb\nURIs: http://b.example/debian-security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://b.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
            Some("http://b.example/debian"),
        ),
        (
            "switched off",
            stanza,
            "Enabled: no\nURIs: http://b.example/debian\nSuites: bookworm\nComponents: main\n",
            None,
        ),
        ("nothing", stanza, "", None),
    ];
    for (name, read, text, expected) in rows {
        assert_eq!(read(text).as_deref(), expected, "{name}");
    }
}
