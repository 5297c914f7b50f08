//! The scene: what is planted, the commands that are run, and what must be left at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use deminer_worker::text::Digest;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::stand_in::{self, Part};
use super::world::{PROGRAM, RUNS};
use crate::exit::Exit;

const DEN: &str = "/tmp/.x";
const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";
const GOOD_LINES: [&str; 2] = [
    "0 3 * * * /usr/bin/true --nightly",
    "*/10 * * * * /usr/bin/test -d /home/deploy",
];
const BAD_LINE: &str = "* * * * * /tmp/.x/xmrig -o 198.51.100.23:3333 >/dev/null 2>&1";

/// How long the demo's verify watches.
const WATCH: &str = "20s";

/// An innocent program: what it is called in the account, and the process.
struct LookAlike {
    name: &'static str,
    child: Child,
}

/// Plants, plays, looks.
///
/// # Errors
/// When a command of the path fails, something of the infection is left, or a look-alike was harmed.
pub(crate) fn play(outside: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    writeln!(
        out,
        "A practice run: a harmless infection in a private world on this machine; all else is untouched."
    )?;
    let mut look_alikes = innocent()?;
    let immutable = infect()?;
    let before = innocent_files()?;
    let dropper = if immutable {
        "immutable dropper"
    } else {
        "dropper (this kernel lets nobody here make it immutable)"
    };
    writeln!(
        out,
        "planted  stand-in miner (25 % of one CPU), guardian, crontab line, {dropper}, configuration; {} look-alikes\n",
        look_alikes.len() + before.len()
    )?;
    out.flush()?;
    let plan = deminer(
        &[
            "plan",
            "linux-miner",
            "--set",
            "sample=2s",
            "-o",
            "/run/demo.plan",
            "--runs",
            RUNS,
            "--format",
            "json",
        ],
        true,
    )?;
    let plan: serde_json::Value = serde_json::from_slice(&plan).context("the plan's JSON cannot be read")?;
    let hash = plan["hash"].as_str().context("the plan has no hash")?.to_owned();
    deminer(&["show", "/run/demo.plan", "--runs", RUNS], false)?;
    writeln!(
        out,
        "\napproved by the demo; on your hosts by a person, who has read the plan\n"
    )?;
    out.flush()?;
    deminer(
        &[
            "apply",
            "/run/demo.plan",
            "--approve",
            &hash[..16],
            "--watch",
            WATCH,
            "--runs",
            RUNS,
        ],
        false,
    )?;
    let alive = look_alikes
        .iter_mut()
        .filter_map(|look_alike| look_alike.child.try_wait().ok()?.is_none().then_some(look_alike.name));
    let alive: Vec<&str> = alive.collect();
    let unharmed = innocent_files()?;
    let kept = before
        .iter()
        .filter(|(path, digest)| unharmed.get(*path) == Some(digest))
        .count();
    for look_alike in &mut look_alikes {
        look_alike.child.kill().context("a look-alike does not end")?;
        look_alike.child.wait().context("a look-alike does not end")?;
    }
    ensure!(
        alive.len() == look_alikes.len(),
        "of the look-alike processes only these live: {}",
        alive.join(", ")
    );
    ensure!(
        kept == before.len(),
        "only {kept} of {} look-alike files are as they were",
        before.len()
    );
    let left = leftovers()?;
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    let report = newest_report(Path::new(RUNS)).map(|run| outside.join(run).join("report.md"));
    writeln!(
        out,
        "\nlook-alikes alive and unharmed {} of {}; nothing left behind",
        alive.len() + kept,
        alive.len() + kept
    )?;
    if let Some(report) = report {
        writeln!(
            out,
            "report   {}",
            deminer_worker::text::HostBytes::from(&*report.to_string_lossy())
        )?;
    }
    writeln!(
        out,
        "next     deminer run linux-miner        looks at this machine and changes nothing"
    )?;
    Ok(Exit::Done)
}

/// Runs a command of Deminer; gives what it printed where it is `captured`.
fn deminer(arguments: &[&str], captured: bool) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    if captured {
        command.stdout(Stdio::piped());
    }
    let output = command
        .spawn()
        .and_then(Child::wait_with_output)
        .with_context(|| format!("cannot run `deminer {}`", arguments[0]))?;
    if !output.status.success() {
        bail!("`deminer {}` ended with {}", arguments.join(" "), output.status);
    }
    Ok(output.stdout)
}

fn stand_in(at: &str, part: Part) -> anyhow::Result<()> {
    stand_in::make(Path::new(PROGRAM), Path::new(at), part, 0o755).with_context(|| format!("cannot plant {at}"))
}

fn start(program: &str, arguments: &[&str], directory: &str) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().with_context(|| format!("cannot start {program}"))
}

/// What must survive: processes.
fn innocent() -> anyhow::Result<Vec<LookAlike>> {
    stand_in::serve_lines("198.51.100.23:3333").context("no fake pool")?;
    stand_in::serve_lines("203.0.113.10:3333").context("no honest server")?;
    stand_in("/opt/erp/dataminer", Part::Worker)?;
    stand_in("/opt/erp/metrics", Part::Client)?;
    fs::create_dir_all("/tmp/build")?;
    stand_in("/tmp/build/configure-test", Part::Idle)?;
    let mut look_alikes = vec![
        LookAlike {
            name: "dataminer",
            child: start("/opt/erp/dataminer", &[], "/opt/erp")?,
        },
        LookAlike {
            name: "metrics",
            child: start("/opt/erp/metrics", &["203.0.113.10:3333"], "/opt/erp")?,
        },
        LookAlike {
            name: "configure-test",
            child: start("/tmp/build/configure-test", &[], "/tmp/build")?,
        },
    ];
    if Path::new("/usr/bin/gzip").exists() {
        let zeros = fs::File::open("/dev/zero").context("no /dev/zero")?;
        let child = Command::new("/usr/bin/gzip")
            .arg("-9c")
            .stdin(zeros)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        look_alikes.push(LookAlike { name: "gzip", child });
    }
    Ok(look_alikes)
}

/// What must survive: files, by digest. Of the crontab, its good lines.
fn innocent_files() -> anyhow::Result<BTreeMap<&'static str, Digest>> {
    let mut files = BTreeMap::new();
    for path in [
        "/opt/erp/dataminer",
        "/opt/erp/metrics",
        "/tmp/build/configure-test",
        "/etc/crontab",
        "/etc/resolv.conf",
    ] {
        files.insert(
            path,
            Digest::of(&fs::read(path).with_context(|| format!("{path} is gone"))?),
        );
    }
    let crontab = fs::read_to_string(CRONTAB).context("the crontab is gone")?;
    let good: Vec<&str> = crontab.lines().filter(|line| *line != BAD_LINE).collect();
    files.insert(CRONTAB, Digest::of(good.join("\n").as_bytes()));
    Ok(files)
}

/// Plants the infection; says whether its dropper could be made immutable.
fn infect() -> anyhow::Result<bool> {
    fs::create_dir(DEN)?;
    stand_in("/tmp/.x/.cache", Part::Miner)?;
    stand_in("/tmp/.x/sysguard", Part::Guardian)?;
    fs::write(
        "/tmp/.x/config.json",
        "{\"pools\":[{\"url\":\"198.51.100.23:3333\",\"user\":\"practice-wallet\",\"pass\":\"x\",\"keepalive\":true}],\"donate-level\":1}\n",
    )?;
    fs::write(
        "/tmp/.x/update.sh",
        "#!/bin/sh\ncp /tmp/.x/.cache /tmp/.x/xmrig\nchmod 755 /tmp/.x/xmrig\n/tmp/.x/xmrig -o 198.51.100.23:3333\n",
    )?;
    fs::set_permissions("/tmp/.x/update.sh", fs::Permissions::from_mode(0o755))?;
    let immutable = make_immutable("/tmp/.x/update.sh");
    fs::write(CRONTAB, format!("{}\n{BAD_LINE}\n{}\n", GOOD_LINES[0], GOOD_LINES[1]))?;
    fs::set_permissions(CRONTAB, fs::Permissions::from_mode(0o600))?;
    // The guardian outlives its starter, as a dropper's does; it ends by itself with the world at the latest.
    start(
        "/tmp/.x/sysguard",
        &[
            "/tmp/.x/.cache",
            "/tmp/.x/xmrig",
            "-o",
            "198.51.100.23:3333",
            "--donate-level",
            "1",
            "-k",
        ],
        DEN,
    )?;
    wait_for_miner()?;
    Ok(immutable)
}

fn make_immutable(path: &str) -> bool {
    let Ok(file) = fs::File::open(path) else { return false };
    let Ok(flags) = ioctl_getflags(file.as_fd()) else {
        return false;
    };
    ioctl_setflags(file.as_fd(), flags | IFlags::IMMUTABLE).is_ok()
}

fn wait_for_miner() -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if processes()?.values().any(|exe| exe.starts_with("/tmp/.x/xmrig")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the stand-in miner did not start")
}

/// The executables of the world's processes, by pid.
fn processes() -> anyhow::Result<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Ok(exe) = fs::read_link(entry.path().join("exe")) {
            found.insert(pid, exe.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// What of the infection, or of Deminer, is still there.
fn leftovers() -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for (pid, exe) in processes()? {
        if pid != 1 {
            left.push(format!("process {pid} {exe}"));
        }
    }
    for path in [
        "/tmp/.x/.cache",
        "/tmp/.x/xmrig",
        "/tmp/.x/sysguard",
        "/tmp/.x/update.sh",
        "/tmp/.x/config.json",
    ] {
        if fs::symlink_metadata(path).is_ok() {
            left.push(path.to_owned());
        }
    }
    for directory in ["/tmp", "/var/tmp", "/run", "/dev/shm", "/var/spool/cron/crontabs"] {
        for entry in fs::read_dir(directory)?.flatten() {
            if entry.file_name().to_string_lossy().contains("deminer") {
                left.push(entry.path().display().to_string());
            }
        }
    }
    if fs::read_to_string(CRONTAB)?.contains(BAD_LINE) {
        left.push(format!("the line in {CRONTAB}"));
    }
    Ok(left)
}

/// The name of the newest run.
fn newest_report(runs: &Path) -> Option<String> {
    let entries = fs::read_dir(runs)
        .ok()?
        .flatten()
        .filter(|entry| entry.path().join("report.md").exists());
    let newest = entries.max_by_key(|entry| entry.metadata().map(|metadata| metadata.mtime()).unwrap_or_default())?;
    Some(newest.file_name().to_string_lossy().into_owned())
}
