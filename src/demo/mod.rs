//! `deminer demo`: the whole path on a harmless infection, in a private world on this machine.
//!
//! The outer half makes namespaces and waits; the inner half, pid 1 of the world, plants the infection beside innocent
//! look-alikes, runs the ordinary commands on it and looks at what is left.

mod network;
mod scene;
pub(crate) mod stand_in;
mod world;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, bail};

use crate::exit::Exit;

/// Why there can be no private world here.
#[derive(Debug, thiserror::Error)]
#[error("this kernel or its policy refuses a private world: {0}")]
pub(crate) struct NoWorld(String);

/// Makes the world, plays the scene in it, and removes what was made outside of it.
///
/// # Errors
/// [`NoWorld`] when namespaces are refused; anything else is a failure of the demo itself.
pub(crate) fn in_private_world(runs: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    try_world()?;
    let root = private_directory()?;
    let status = unshare()
        .arg(&program)
        .args(["demo", "--inside"])
        .arg(&root)
        .arg("--runs")
        .arg(runs)
        .stdin(Stdio::null())
        .status()
        .context("cannot start `unshare`, of the package util-linux");
    std::fs::remove_dir(&root).with_context(|| format!("{} is left behind", root.display()))?;
    let _ = out.flush();
    match status?.code() {
        Some(0) => Ok(Exit::Done),
        Some(code) => bail!("the demo ended with exit code {code}"),
        None => bail!("the demo was killed"),
    }
}

/// Whether this kernel lets us have the namespaces, tried with a program that does nothing.
fn try_world() -> Result<(), NoWorld> {
    let tried = unshare().arg("true").stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(NoWorld(said(&output.stderr, output.status))),
        Err(error) => Err(NoWorld(format!("`unshare`: {error}"))),
    }
}

fn said(stderr: &[u8], status: ExitStatus) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().next() {
        Some(line) => deminer_worker::text::HostBytes::from(line).to_string(),
        None => status.to_string(),
    }
}

/// `unshare` with the namespaces of the world; a user namespace only where we are not root, since in one nobody may make
/// a file immutable.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

fn private_directory() -> io::Result<PathBuf> {
    let mut name = [0; 8];
    rustix::rand::getrandom(&mut name, rustix::rand::GetRandomFlags::empty())?;
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = std::env::temp_dir().join(format!("deminer-demo-{name}"));
    std::fs::create_dir(&path)?;
    Ok(path)
}

/// The inner half.
///
/// # Errors
/// When the world cannot be made or the scene does not end as it must.
pub(crate) fn inside(root: &Path, runs: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    world::enter(root, &program, runs).context("the private world could not be made")?;
    scene::play(runs, out)
}

/// The demo where there can be no private world: the same commands on a host in memory, every line marked.
///
/// # Errors
/// When a command of the path does not end as it must.
pub(crate) fn simulated(runs: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let folder = private_directory()?;
    let played = play_simulated(runs, &folder.join("demo.plan"), out);
    std::fs::remove_dir_all(&folder).with_context(|| format!("{} is left behind", folder.display()))?;
    played.map(|()| Exit::Done)
}

fn play_simulated(runs: &Path, plan: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut mark = |text: &str| text.lines().try_for_each(|line| writeln!(out, "simulated | {line}"));
    mark("A practice run on a host in memory; nothing of this machine is looked at or changed.")?;
    let (plan, runs) = (plan.to_string_lossy(), runs.to_string_lossy());
    let planned = captured(&[
        "plan",
        "linux-miner",
        "simulated:infected",
        "-o",
        &plan,
        "--runs",
        &runs,
        "--format",
        "json",
    ])?;
    let planned: serde_json::Value = serde_json::from_str(&planned).context("the plan's JSON cannot be read")?;
    let hash = planned["hash"].as_str().context("the plan has no hash")?.to_owned();
    mark(&captured(&["show", &plan, "--runs", &runs])?)?;
    mark("approved by the demo; on your hosts by a person, who has read the plan")?;
    mark(&captured(&[
        "apply",
        &plan,
        "--approve",
        &hash,
        "--watch",
        "20s",
        "--runs",
        &runs,
    ])?)?;
    mark("next     deminer run linux-miner        looks at this machine and changes nothing")?;
    Ok(())
}

/// Runs a command of this program and gives what it printed.
fn captured(arguments: &[&str]) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("`deminer {}` ended with {}", arguments.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("its output is no text")
}
