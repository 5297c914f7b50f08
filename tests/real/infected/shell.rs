//! Miners that a boot, a login and a shell start.

use super::case::Case;
use super::look_alike::LookAlike;
use super::processes::{WORDS, mining, start};
use crate::world::host::Host;

/// A line of rc.local, a file of profile.d and a line of a person's shell.
pub(crate) fn shells(host: &Host<'_>) -> Case {
    let miner = "/usr/share/.fonts/fontd";
    mining().alone().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    let (boot, profile, bashrc) = ("/etc/rc.local", "/etc/profile.d/fonts.sh", "/home/deploy/.bashrc");
    let (head, tail) = ("#!/bin/sh\n/usr/bin/logger booted\n", "exit 0\n");
    host.write(boot, format!("{head}{miner} {WORDS} >/dev/null 2>&1 &\n{tail}"), 0o755);
    host.write(profile, format!("{miner} {WORDS} >/dev/null 2>&1 &\n"), 0o644);
    let own = host.text(bashrc);
    host.write(bashrc, format!("{own}nohup {miner} {WORDS} >/dev/null 2>&1 &\n"), 0o644);
    let number = u32::try_from(own.lines().count()).expect("a short file") + 1;
    Case::new("rc.local with profile.d and .bashrc")
        .process("miner", miner)
        .file(miner)
        .lines(boot, &[3], &format!("{head}{tail}"))
        .removed("remove_starter", profile)
        .lines(bashrc, &[number], &own)
}

/// Shell files of other people and of the host.
pub(crate) fn look_alikes(host: &Host<'_>) -> Vec<LookAlike> {
    let agent = "/etc/profile.d/agent.sh";
    host.write(
        agent,
        "command -v ssh-agent >/dev/null && eval \"$(ssh-agent -s)\" >/dev/null 2>&1 &\n",
        0o644,
    );
    let bashrc = "/home/ines/.bashrc";
    let own = host.text(bashrc);
    host.write(
        bashrc,
        format!("{own}nohup curl -fsS https://intranet.example/motd >/dev/null 2>&1 &\n"),
        0o644,
    );
    vec![LookAlike::files("good shell files", &[agent, bashrc])]
}
