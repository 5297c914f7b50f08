//! Libraries that every program loads: condemned where their own bytes hide what is condemned.

use deminer_engine::finding::Bearing;
use deminer_engine::module::ModuleError;

use super::case::{Case, Words, is_vouched};
use super::look::Look;
use crate::starter::Starter;

/// The largest library that is read.
const LIBRARY_BYTES: u32 = 8 << 20;
/// A shorter name would be found in any library.
const NAME_BYTES: usize = 4;

/// A preloaded library: condemned where its own bytes hide a condemned name from directory listings.
pub(super) async fn preload(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let mut new = false;
    for path in &starter.starts {
        if is_vouched(&look.owner(path).await?, path) {
            continue;
        }
        if case.paths.contains(path) {
            let words = Words {
                signal: "loads_condemned",
                say: "the line loads {library}, which is condemned, into every program",
                fields: &[("library", path.as_bytes())],
            };
            let alone = starter.starts.len() == 1;
            let bearing = if alone { Bearing::Condemns } else { Bearing::Review };
            new |= case.state_line(starter, path, bearing, &words);
            continue;
        }
        let Some(library) = look.read(path, LIBRARY_BYTES).await? else {
            continue;
        };
        let bytes = library.content.as_bytes();
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|run| run == part);
        let hidden = case.paths.iter().find(|known| {
            let name = known.file_name();
            name.len() >= NAME_BYTES && holds(&[b"\0", name, b"\0"].concat())
        });
        let hidden = hidden
            .filter(|_| bytes.starts_with(b"\x7fELF") && holds(b"readdir"))
            .cloned();
        match hidden {
            Some(hidden) => {
                let fields = [("library", path.as_bytes()), ("hidden", hidden.as_bytes())];
                let words = Words {
                    signal: "hides_condemned",
                    say: "it reads directories in the place of the system and holds the name of {hidden}",
                    fields: &fields[1..],
                };
                let ties = case.tie_to(&hidden);
                // What a line goes on to load must not be taken from under it.
                let alone = starter.starts.len() == 1;
                match alone {
                    true => new |= case.condemn_file(&library.stat, &words, &ties),
                    false => case.ask_file(&library.stat, &words, &ties),
                }
                let words = Words {
                    signal: "loads_condemned",
                    say: "the line loads {library}, which hides {hidden}, into every program",
                    fields: &fields,
                };
                let bearing = if alone { Bearing::Condemns } else { Bearing::Review };
                new |= case.state_line(starter, path, bearing, &words);
            }
            None => {
                let words = Words {
                    signal: "unowned_preload",
                    say: "the line loads {library}, which no package knows, into every program",
                    fields: &[("library", path.as_bytes())],
                };
                case.state_line(starter, path, Bearing::Review, &words);
            }
        }
    }
    Ok(new)
}
