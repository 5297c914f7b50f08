//! Files beside a playbook, read as YAML of a form that a module knows.

use deminer_engine::module::{Misread, Resource};
use serde::de::DeserializeOwned;
use serde_saphyr::Location;

/// The file as `T`.
///
/// # Errors
/// With the place, when it is no YAML of this form.
pub(crate) fn read<T: DeserializeOwned>(resource: &Resource) -> Result<T, Misread> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(&resource.text, options)
        .map_err(|error| wrong(resource, error.location(), error.to_string()))
}

/// What is wrong there.
pub(crate) fn wrong(resource: &Resource, at: impl Into<Option<Location>>, why: String) -> Misread {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Misread {
        path: resource.path.clone(),
        at: at.into().map(|at| (number(at.line()), number(at.column()))),
        why,
    }
}

/// Whether a file is of version 1, the only one there is.
///
/// # Errors
/// When it is of another.
pub(crate) fn of_version_1(
    resource: &Resource,
    what: &str,
    version: &serde_saphyr::Spanned<u32>,
) -> Result<(), Misread> {
    match version.value {
        1 => Ok(()),
        other => {
            let why = format!("{what} of version {other}; this Deminer reads version 1");
            Err(wrong(resource, version.referenced, why))
        }
    }
}
