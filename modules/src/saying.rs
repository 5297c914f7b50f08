//! How bytes of a host become a field of a sentence, and a row the process that a finding is about.

use deminer_worker::action::{ProcessTarget, Role};
use deminer_worker::query::{FileId, Process};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

/// The bytes of one field at most.
const FIELD_BYTES: usize = 160;

/// The written form of host bytes for a sentence: escaped, cut with `...`, and free of braces, so that no host can write
/// a field of ours.
pub(crate) fn said(bytes: &[u8]) -> String {
    let cut = bytes.len() > FIELD_BYTES;
    let text = HostBytes::new(&bytes[..bytes.len().min(FIELD_BYTES)]).to_string();
    let text = text.replace('{', "\\x7b").replace('}', "\\x7d");
    if cut { format!("{text}...") } else { text }
}

/// The process as an act may name it; `None` where its executable or its arguments were not read whole.
pub(crate) fn process_target(process: &Process, boot_id: &str, role: Role) -> Option<ProcessTarget> {
    let exe = process.exe.as_ref()?;
    Some(ProcessTarget {
        boot_id: boot_id.to_owned(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: exe.id,
        exe_path: exe.path.clone(),
        exe_sha256: exe.sha256?,
        exe_size: exe.size,
        argv_sha256: process.argv_sha256?,
        uid: process.uid,
        comm: process.comm.clone(),
        role,
    })
}

/// The process as a statement may name it: what was not read stands as empty, which no act's check can meet.
pub(crate) fn stated_process(process: &Process, boot_id: &str, role: Role) -> ProcessTarget {
    process_target(process, boot_id, role).unwrap_or_else(|| ProcessTarget {
        boot_id: boot_id.to_owned(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: process.exe.as_ref().map_or(
            FileId {
                dev: Wide(0),
                inode: Wide(0),
            },
            |exe| exe.id,
        ),
        exe_path: process
            .exe
            .as_ref()
            .map_or_else(HostPath::default, |exe| exe.path.clone()),
        exe_sha256: Digest::of(b""),
        exe_size: Wide(0),
        argv_sha256: process.argv_sha256.unwrap_or_else(|| Digest::of(b"")),
        uid: process.uid,
        comm: process.comm.clone(),
        role,
    })
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn fields_carry_no_field_of_ours() {
        assert_eq!(said(b"a{pid}\x1b[2J"), "a\\x7bpid\\x7d\\x1b[2J");
        assert!(said(&[b'a'; 4096]).len() < 200);
    }
}
