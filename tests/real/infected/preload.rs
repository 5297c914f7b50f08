//! Files that nobody can remove as they are, and a library that every program loads.

use super::case::Case;
use super::look_alike::LookAlike;
use super::processes::{WORDS, mining, start};
use crate::world::host::{Host, OURS_AT};

const JEMALLOC: &str = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
const PRELOAD: &str = "/etc/ld.so.preload";

/// The miner, its library and the line that loads it, all of them immutable; the line before it is good.
pub(crate) fn immutable(host: &Host<'_>) -> Case {
    let (miner, library) = ("/usr/lib/.gvfs/gvfsd", "/usr/local/lib/libprocesshider.so");
    mining().write(host, miner);
    // A library of the host that does nothing, and in it the words of one that hides the miner.
    let mut content = host
        .read("/usr/lib/x86_64-linux-gnu/libBrokenLocale.so.1")
        .expect("a library of libc6");
    content.extend_from_slice(b"\0readdir64\0readdir\0gvfsd\0");
    host.write(library, content, 0o644);
    host.write(PRELOAD, format!("{JEMALLOC}\n{library}\n"), 0o644);
    start(host, &format!("{miner} {WORDS}"));
    host.sh(&format!("chattr +i {miner} {library} {PRELOAD}"));
    Case::new("immutable files with ld.so.preload")
        .process("miner", miner)
        .file(miner)
        .file(library)
        .act(&format!("clear_flags {miner}"))
        .act(&format!("clear_flags {library}"))
        .act(&format!("clear_flags {PRELOAD}"))
        .lines(PRELOAD, &[2], &format!("{JEMALLOC}\n"))
        .fresh(&["/bin/ls", "/"])
        .fresh(&[OURS_AT, "--version"])
}

/// The library that the good line loads, in a program that runs.
pub(crate) fn look_alikes(_: &Host<'_>) -> Vec<LookAlike> {
    vec![LookAlike::files("jemalloc in ld.so.preload", &[JEMALLOC])]
}
