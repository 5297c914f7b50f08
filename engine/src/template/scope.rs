//! What an expression sees while a host is looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value as Mini;
use serde_json::Value;

use super::convert::from_json;
use super::outputs::{Held, OutputError};
use super::{Hop, Path};

/// The roots. Cheap to clone: all that is large is shared.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) vars: Arc<Held>,
    pub(crate) host: Arc<Held>,
    pub(crate) run: Arc<Held>,
    /// What steps gave, by id; a step that was skipped or has not run is not there.
    pub(crate) steps: HashMap<String, Arc<Held>>,
    /// Inside `foreach`: the item and its number from 0.
    pub(crate) item: Option<(Arc<Held>, usize)>,
    /// Inside `eradicate`: the round, 0 for the plan's.
    pub(crate) round: u32,
}

impl Scope {
    /// The root of a path and the hops that are left below it.
    fn root<'p>(&self, path: &'p Path) -> Option<(Root<'_>, &'p [Hop])> {
        let all = path.hops.as_slice();
        let root = match path.root.as_str() {
            "vars" => Root::Held(&self.vars),
            "host" => Root::Held(&self.host),
            "run" => Root::Held(&self.run),
            "item" => Root::Held(&self.item.as_ref()?.0),
            "index" => Root::Number(self.item.as_ref()?.1 as u64),
            "round" => Root::Number(u64::from(self.round)),
            "steps" => {
                let (Hop::Field(id), rest) = all.split_first()? else {
                    return None;
                };
                return Some((Root::Held(self.steps.get(id)?), rest));
            }
            _ => return None,
        };
        Some((root, all))
    }

    /// What stands at a path; `None` where nothing does.
    ///
    /// # Errors
    /// When what a step gave cannot be read back.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<Value>, OutputError> {
        Ok(match self.root(path) {
            Some((Root::Held(held), hops)) => walk(&*held.json()?, hops).cloned(),
            Some((Root::Number(n), [])) => Some(Value::from(n)),
            Some((Root::Number(_), _)) | None => None,
        })
    }

    /// The same for a program; small values are made fresh, large ones are parts of the held one.
    pub(super) fn mini(&self, path: &Path) -> Result<Option<Mini>, OutputError> {
        let (held, hops) = match self.root(path) {
            Some((Root::Held(held), hops)) => (held, hops),
            Some((Root::Number(n), [])) => return Ok(Some(Mini::from(n))),
            Some((Root::Number(_), _)) | None => return Ok(None),
        };
        let json = held.json()?;
        Ok(match (walk(&json, hops), &json) {
            (Some(Value::Array(_) | Value::Object(_)), Cow::Borrowed(json)) => {
                hops.iter().try_fold(held.mini(json).clone(), |value, hop| {
                    let below = match hop {
                        Hop::Field(name) => value.get_attr(name),
                        Hop::Index(n) => value.get_item(&Mini::from(*n)),
                    };
                    below.ok().filter(|value| !value.is_undefined())
                })
            }
            (found, _) => found.map(from_json),
        })
    }
}

enum Root<'s> {
    Held(&'s Arc<Held>),
    Number(u64),
}

fn walk<'v>(value: &'v Value, hops: &[Hop]) -> Option<&'v Value> {
    hops.iter().try_fold(value, |value, hop| match (hop, value) {
        (Hop::Field(name), Value::Object(fields)) => fields.get(name),
        (Hop::Index(n), Value::Array(items)) => {
            let at = match usize::try_from(*n) {
                Ok(at) => at,
                Err(_) => items.len().checked_sub(usize::try_from(n.unsigned_abs()).ok()?)?,
            };
            items.get(at)
        }
        _ => None,
    })
}
