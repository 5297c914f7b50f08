//! The questions that modules ask, each with the type of its answer.

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{
    Account, Answer, Blocks, CommandOutput, CommandQuery, Coverage, Entry, FileKind, FileSpans, FileStat, FileText,
    GapReason, Holder, HostError, HostFacts, LoadedUnit, Observed, Ownership, Process, ProcessRoot, ProcessesQuery,
    Query, Resources, Socket, Span, WatchQuery, Watched,
};
use deminer_worker::text::{HostBytes, HostPath};

async fn ask<T>(
    host: &dyn HostView,
    query: Query,
    asked: &str,
    pick: fn(Answer) -> Option<T>,
) -> Result<Observed<T>, ModuleError> {
    let Observed { value, coverage } = host.observe(query).await?;
    let value = pick(value).ok_or_else(|| ModuleError::WrongAnswer {
        asked: asked.to_owned(),
    })?;
    Ok(Observed { value, coverage })
}

macro_rules! answered_by {
    ($variant:ident) => {
        |answer| match answer {
            Answer::$variant(value) => Some(value),
            _ => None,
        }
    };
}

pub(crate) async fn facts(host: &dyn HostView) -> Result<Observed<HostFacts>, ModuleError> {
    ask(host, Query::Host {}, "host", answered_by!(Host)).await
}

pub(crate) async fn processes(
    host: &dyn HostView,
    query: ProcessesQuery,
) -> Result<Observed<Vec<Process>>, ModuleError> {
    ask(host, Query::Processes(query), "processes", answered_by!(Processes)).await
}

pub(crate) async fn sockets(host: &dyn HostView) -> Result<Observed<Vec<Socket>>, ModuleError> {
    ask(host, Query::Sockets {}, "sockets", answered_by!(Sockets)).await
}

pub(crate) async fn accounts(host: &dyn HostView) -> Result<Observed<Vec<Account>>, ModuleError> {
    ask(host, Query::Accounts {}, "accounts", answered_by!(Accounts)).await
}

pub(crate) async fn blocks(host: &dyn HostView) -> Result<Observed<Blocks>, ModuleError> {
    ask(host, Query::Blocks {}, "blocks", answered_by!(Blocks)).await
}

/// In the order asked, one for each path.
pub(crate) async fn stat(
    host: &dyn HostView,
    paths: Vec<HostPath>,
    digest: bool,
) -> Result<Observed<Vec<Entry>>, ModuleError> {
    if paths.is_empty() {
        return Ok(Observed::whole(Vec::new()));
    }
    let asked = paths.len();
    let entries = ask(host, Query::Stat { paths, digest }, "stat", answered_by!(Entries)).await?;
    one_each(entries, asked, "stat")
}

pub(crate) async fn list(host: &dyn HostView, path: HostPath) -> Result<Observed<Vec<Entry>>, ModuleError> {
    ask(host, Query::List { path }, "list", answered_by!(Entries)).await
}

/// In the order asked, one for each path.
pub(crate) async fn packages(
    host: &dyn HostView,
    files: Vec<HostPath>,
) -> Result<Observed<Vec<Ownership>>, ModuleError> {
    if files.is_empty() {
        return Ok(Observed::whole(Vec::new()));
    }
    let asked = files.len();
    let owners = ask(host, Query::Packages { files }, "packages", answered_by!(Packages)).await?;
    one_each(owners, asked, "packages")
}

/// An answer that pairs up with the question; pairing a shorter one would give objects the answers of others.
fn one_each<T>(seen: Observed<Vec<T>>, asked: usize, question: &str) -> Result<Observed<Vec<T>>, ModuleError> {
    if seen.value.len() == asked {
        return Ok(seen);
    }
    let why = format!("asked `{question}` of {asked} paths, {} answered", seen.value.len());
    Err(ModuleError::Host(HostError::Protocol { why }))
}

/// `None` where the file is absent.
pub(crate) async fn read(
    host: &dyn HostView,
    path: HostPath,
    max_bytes: u32,
) -> Result<Observed<Option<FileText>>, ModuleError> {
    let files = ask(host, Query::Read { path, max_bytes }, "read", answered_by!(Files)).await?;
    Ok(files.map(|mut files| files.pop()))
}

/// The size of a regular file; `None` where there is none.
pub(crate) async fn size(host: &dyn HostView, path: &HostPath) -> Result<Option<u64>, ModuleError> {
    let entries = match stat(host, vec![path.clone()], false).await {
        Ok(seen) => seen.value,
        Err(error) => return gap_of(error).map(|_| None),
    };
    Ok(entries.into_iter().find_map(|entry| match entry {
        Entry::Present(stat) if stat.kind == FileKind::Regular => Some(stat.size.0),
        _ => None,
    }))
}

/// `None` where the file is absent.
pub(crate) async fn spans(
    host: &dyn HostView,
    path: HostPath,
    spans: Vec<Span>,
) -> Result<Observed<Option<FileSpans>>, ModuleError> {
    ask(
        host,
        Query::ReadSpans { path, spans },
        "read_spans",
        answered_by!(Spans),
    )
    .await
}

pub(crate) async fn read_tree(
    host: &dyn HostView,
    patterns: Vec<HostPath>,
    max_files: u32,
    max_file_bytes: u32,
) -> Result<Observed<Vec<FileText>>, ModuleError> {
    let query = Query::ReadTree {
        patterns,
        max_files,
        max_file_bytes,
    };
    ask(host, query, "read_tree", answered_by!(Files)).await
}

pub(crate) async fn resources(host: &dyn HostView, sample_ms: u64) -> Result<Observed<Resources>, ModuleError> {
    let seen = ask(
        host,
        Query::Resources { sample_ms },
        "resources",
        answered_by!(Resources),
    )
    .await?;
    Ok(seen.map(|told| *told))
}

/// By file in the order asked, then by pid.
pub(crate) async fn holders(host: &dyn HostView, files: Vec<HostPath>) -> Result<Observed<Vec<Holder>>, ModuleError> {
    if files.is_empty() {
        return Ok(Observed::whole(Vec::new()));
    }
    ask(host, Query::Holders { files }, "holders", answered_by!(Holders)).await
}

pub(crate) async fn roots(host: &dyn HostView, pids: Vec<u32>) -> Result<Observed<Vec<ProcessRoot>>, ModuleError> {
    if pids.is_empty() {
        return Ok(Observed::whole(Vec::new()));
    }
    ask(host, Query::Roots { pids }, "roots", answered_by!(Roots)).await
}

pub(crate) async fn command(host: &dyn HostView, query: CommandQuery) -> Result<Observed<CommandOutput>, ModuleError> {
    ask(host, Query::Command(query), "command", answered_by!(Command)).await
}

/// What lies below some directories.
pub(crate) async fn walk(
    host: &dyn HostView,
    roots: Vec<HostPath>,
    max_depth: u32,
    max_entries: u32,
) -> Result<Observed<Vec<FileStat>>, ModuleError> {
    if roots.is_empty() {
        return Ok(Observed::whole(Vec::new()));
    }
    let query = Query::Walk {
        roots,
        max_depth,
        max_entries,
    };
    ask(host, query, "walk", answered_by!(Walk)).await
}

/// What service managers have in memory.
pub(crate) async fn units(host: &dyn HostView) -> Result<Observed<Vec<LoadedUnit>>, ModuleError> {
    ask(host, Query::Units {}, "units", answered_by!(Units)).await
}

pub(crate) async fn watch(host: &dyn HostView, query: WatchQuery) -> Result<Observed<Watched>, ModuleError> {
    ask(host, Query::Watch(query), "watch", answered_by!(Watch)).await
}

/// The gap that an error of one question is, where other questions can still be answered.
///
/// # Errors
/// The error itself, where it says that the host or the link to it is lost.
pub(crate) fn gap_of(error: ModuleError) -> Result<GapReason, ModuleError> {
    match &error {
        ModuleError::Host(HostError::Denied { .. }) => Ok(GapReason::Denied),
        ModuleError::Host(HostError::Gone { .. }) => Ok(GapReason::Gone),
        ModuleError::Host(HostError::Changed { .. }) => Ok(GapReason::Changed),
        ModuleError::Host(HostError::TimedOut { .. }) => Ok(GapReason::TimedOut),
        ModuleError::Host(HostError::TooLarge { .. }) => Ok(GapReason::TooMany),
        ModuleError::Host(HostError::Unsupported { .. } | HostError::Failed { .. }) => Ok(GapReason::Unsupported),
        _ => Err(error),
    }
}

/// The answer, or what stands in for it with a gap of that subject.
///
/// # Errors
/// As [`gap_of`].
pub(crate) fn or_gap<T>(
    seen: Result<Observed<T>, ModuleError>,
    subject: &str,
    coverage: &mut Coverage,
    instead: impl FnOnce() -> T,
) -> Result<T, ModuleError> {
    match seen {
        Ok(seen) => {
            coverage.unite(&seen.coverage);
            Ok(seen.value)
        }
        Err(error) => {
            // A whole question without an answer is never ordinary, whatever the reason is called.
            let why = match gap_of(error)? {
                GapReason::Gone => GapReason::Unsupported,
                why => why,
            };
            coverage.note(subject, HostBytes::default(), why);
            Ok(instead())
        }
    }
}
