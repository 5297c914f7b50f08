//! From condemned lines to edits: all lines of one file are one change.

use deminer_engine::finding::{Artifact, Condemned, FindingId};
use deminer_engine::module::ModuleError;
use deminer_worker::action::{Act, FileTarget, LineTarget, Syntax};
use deminer_worker::text::HostPath;

use crate::condemned_list::{self, Proposals};

/// The edits that take these lines out, with what must come first; `syntax` tells the form that a file must keep.
///
/// # Errors
/// `Parameter`, with the place in `list`, for what is no line, or contradicts another one.
pub(crate) fn proposals(
    list: &str,
    lines: &[Condemned],
    syntax: impl Fn(&HostPath) -> Option<Syntax>,
) -> Result<Proposals, ModuleError> {
    let mut proposals = Proposals::default();
    for edit in edits(list, lines)? {
        if let Some(clear) = condemned_list::clears_flags(edit.file) {
            proposals.add(edit.component, clear, &edit.because);
        }
        let act = Act::EditLines {
            file: edit.file.clone(),
            remove: edit.lines.into_iter().cloned().collect(),
            syntax: syntax(&edit.file.path),
        };
        proposals.add(edit.component, act, &edit.because);
    }
    Ok(proposals)
}

/// The form that a file at this path must keep.
pub(crate) fn syntax_of(path: &HostPath) -> Option<Syntax> {
    let directory = HostPath::from("/etc/sudoers.d");
    let is_sudoers = path.as_bytes() == b"/etc/sudoers" || path.is_below(&directory);
    is_sudoers.then_some(Syntax::Sudoers)
}

/// The change of one file. Its component is the lowest of its lines': one file is edited once.
struct Edit<'a> {
    first: usize,
    component: u32,
    file: &'a FileTarget,
    lines: Vec<&'a LineTarget>,
    because: Vec<FindingId>,
}

fn edits<'a>(list: &str, lines: &'a [Condemned]) -> Result<Vec<Edit<'a>>, ModuleError> {
    let mut edits: Vec<Edit<'a>> = Vec::new();
    for (index, condemned) in lines.iter().enumerate() {
        condemned_list::cited(list, index, condemned)?;
        let refuse = |why: String| Err(condemned_list::refusal(list, index, why));
        let Artifact::Line { file, line } = &condemned.artifact else {
            return refuse(format!(
                "expected a line, found a {}",
                condemned_list::kind(&condemned.artifact)
            ));
        };
        condemned_list::placed(list, index, file)?;
        if line.number == 0 || line.line.as_bytes().contains(&b'\n') {
            return refuse(format!("`{}` is not one line of {}", line.line, file.path));
        }
        let at = match edits.iter().position(|edit| edit.file.path == file.path) {
            Some(at) => at,
            None => {
                edits.push(Edit {
                    first: index,
                    component: condemned.component,
                    file,
                    lines: Vec::new(),
                    because: Vec::new(),
                });
                edits.len() - 1
            }
        };
        let edit = &mut edits[at];
        if edit.file != file {
            let why = format!(
                "{} is another file here than in {list}[{}]: gather again",
                file.path, edit.first
            );
            return refuse(why);
        }
        if let Some(other) = edit
            .lines
            .iter()
            .find(|other| other.number == line.number && other.line != line.line)
        {
            return refuse(format!(
                "line {} of {} is also `{}`",
                line.number, file.path, other.line
            ));
        }
        edit.component = edit.component.min(condemned.component);
        if !edit.lines.iter().any(|other| other.number == line.number) {
            edit.lines.push(line);
        }
        condemned_list::unite(&mut edit.because, &condemned.because);
    }
    for edit in &mut edits {
        edit.lines.sort_by_key(|line| line.number);
    }
    Ok(edits)
}
