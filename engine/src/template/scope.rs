//! What an expression sees while a host is looked at.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use minijinja::Value as Mini;
use serde_json::Value;

use super::convert::from_json;
use super::{Hop, Path};

/// A value that many expressions may use: JSON, and minijinja's form of it, made once and only when asked for.
#[derive(Debug)]
pub(crate) struct Held {
    json: Value,
    mini: OnceLock<Mini>,
}

impl Held {
    /// Takes a value.
    pub(crate) fn new(json: Value) -> Arc<Held> {
        Arc::new(Held {
            json,
            mini: OnceLock::new(),
        })
    }

    /// The value.
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// Takes the value back out; a copy where others still hold it.
    pub(crate) fn into_json(held: Arc<Held>) -> Value {
        match Arc::try_unwrap(held) {
            Ok(held) => held.json,
            Err(shared) => shared.json.clone(),
        }
    }

    fn mini(&self) -> &Mini {
        self.mini.get_or_init(|| from_json(&self.json))
    }
}

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
    pub(crate) fn find(&self, path: &Path) -> Option<Value> {
        match self.root(path)? {
            (Root::Held(held), hops) => walk(held.json(), hops).cloned(),
            (Root::Number(n), []) => Some(Value::from(n)),
            (Root::Number(_), _) => None,
        }
    }

    /// The same for a program; small values are made fresh, large ones are parts of the held one.
    pub(super) fn mini(&self, path: &Path) -> Option<Mini> {
        let (held, hops) = match self.root(path)? {
            (Root::Held(held), hops) => (held, hops),
            (Root::Number(n), []) => return Some(Mini::from(n)),
            (Root::Number(_), _) => return None,
        };
        match walk(held.json(), hops)? {
            Value::Array(_) | Value::Object(_) => hops.iter().try_fold(held.mini().clone(), |value, hop| {
                let below = match hop {
                    Hop::Field(name) => value.get_attr(name),
                    Hop::Index(n) => value.get_item(&Mini::from(*n)),
                };
                below.ok().filter(|value| !value.is_undefined())
            }),
            scalar => Some(from_json(scalar)),
        }
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
