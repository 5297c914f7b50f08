//! What must hold for the readers of texts that may be condemned, whatever the bytes are.

use std::collections::BTreeSet;

use deminer_worker::text::HostPath;

use super::{files, generator, restart, speech};

/// A line is only left shorter, and every reader ends.
pub(crate) fn tenor(bytes: &[u8]) {
    let condemned: BTreeSet<HostPath> = ["/tmp/x", "/opt/.x/m"].into_iter().map(HostPath::from).collect();
    speech::speech(bytes, None, &condemned);
    speech::tenor(bytes, Some(&HostPath::from("/tmp")), &condemned);
    speech::pipes_a_download(bytes);
    speech::loops(bytes);
    let left = speech::without_condemned(bytes, &condemned);
    assert!(left.is_none_or(|left| left.len() <= bytes.len()));
    files::is_miner_configuration(bytes);
    generator::weigh_text(&condemned, bytes);
    let _ = restart::Policy::parse(bytes);
    crate::starter_review::decodes_to_shell(bytes);
}
