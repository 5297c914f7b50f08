//! Merges: an environment changes a list or a map that stands below instead of writing all of it again.
//!
//! | variable | operator | meaning |
//! | --- | --- | --- |
//! | list | `$remove: [a]` | without these; each must be there |
//! | list | `$prepend: [a]`, `$append: [a]` | with these before or behind; what is there already is not put in twice |
//! | map | `$remove: [a]` | without these keys; each must be there |
//! | map | `$merge: {a: 1}` | with these in the place of those of the same key |
//!
//! Several go in one map; they are carried out in the order of the table.

use serde_json::{Map, Value};

use crate::diagnostic::{quoted, suggest};
use crate::playbook::VarType;
use crate::playbook::value::Misfit;

pub(super) const OF_LISTS: [&str; 3] = ["$remove", "$prepend", "$append"];
pub(super) const OF_MAPS: [&str; 2] = ["$remove", "$merge"];

/// Whether a value is a merge: a map with a key that begins with `$`.
pub(super) fn is_merge(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|fields| fields.keys().any(|name| name.starts_with('$')))
}

/// A merge whose operators and values fit the variable, whatever stands below.
///
/// # Errors
/// What does not fit, with the path of it.
pub(super) fn check(kind: &VarType, merge: &Value) -> Result<(), Misfit> {
    let operators: &[&str] = match kind {
        _ if kind.is_secret() => return Err(misfit("a secret takes no merge: write all of it", None)),
        VarType::List(_) => &OF_LISTS,
        VarType::Map(_) => &OF_MAPS,
        _ => return Err(misfit(&format!("only lists and maps are merged, this is {kind}"), None)),
    };
    for (name, value) in merge.as_object().into_iter().flatten() {
        if !operators.contains(&name.as_str()) {
            let why = format!("a {kind} has no {}", quoted(name));
            return Err(at(name, misfit(&why, suggest(name, operators.iter().copied()))));
        }
        let takes = match (kind, name.as_str()) {
            (VarType::Map(_), "$remove") => &VarType::List(Box::new(VarType::String)),
            _ => kind,
        };
        takes.decode(value).map_err(|misfit| at(name, misfit))?;
    }
    Ok(())
}

/// What a merge makes of what stands below; nothing stands for an empty list or map.
///
/// # Errors
/// When something is to be removed that is not there.
pub(super) fn over(kind: &VarType, below: Option<&Value>, merge: &Value) -> Result<Value, Misfit> {
    let operand = |name: &str| merge.get(name).cloned().unwrap_or(Value::Null);
    match kind {
        VarType::Map(_) => {
            let mut fields = below.and_then(Value::as_object).cloned().unwrap_or_default();
            for key in list(operand("$remove")) {
                let key = key.as_str().unwrap_or_default().to_owned();
                if fields.shift_remove(&key).is_none() {
                    return Err(not_there(&key, fields.keys().map(String::as_str)));
                }
            }
            for (key, value) in operand("$merge").as_object().cloned().unwrap_or_else(Map::new) {
                fields.insert(key, value);
            }
            Ok(Value::Object(fields))
        }
        _ => {
            let mut items = list(below.cloned().unwrap_or_default());
            for gone in list(operand("$remove")) {
                let before = items.len();
                items.retain(|item| *item != gone);
                if items.len() == before {
                    let texts: Vec<String> = items.iter().map(text).collect();
                    return Err(not_there(&text(&gone), texts.iter().map(String::as_str)));
                }
            }
            let new =
                |items: &[Value], value: Value| list(value).into_iter().filter(|new| !items.contains(new)).collect();
            let mut all: Vec<Value> = new(&items, operand("$prepend"));
            all.append(&mut items);
            let behind: Vec<Value> = new(&all, operand("$append"));
            all.extend(behind);
            Ok(Value::Array(all))
        }
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn not_there<'t>(name: &str, there: impl IntoIterator<Item = &'t str>) -> Misfit {
    let help = suggest(name, there).unwrap_or_else(|| "there is nothing in it".to_owned());
    at(
        "$remove",
        misfit(&format!("{} is not there to be removed", quoted(name)), Some(help)),
    )
}

fn misfit(why: &str, help: Option<String>) -> Misfit {
    Misfit {
        path: Vec::new(),
        why: why.to_owned(),
        help,
    }
}

fn at(name: &str, mut misfit: Misfit) -> Misfit {
    misfit.path.insert(0, name.to_owned());
    misfit
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merges() {
        let list = VarType::parse("list<string>").expect("a type");
        let map = VarType::parse("map<int>").expect("a type");
        let rows = [
            (
                &list,
                json!(["a", "b"]),
                json!({"$append": ["c", "a"]}),
                Some(json!(["a", "b", "c"])),
            ),
            (
                &list,
                json!(["a", "b"]),
                json!({"$prepend": ["c", "b"]}),
                Some(json!(["c", "a", "b"])),
            ),
            (
                &list,
                json!(["a", "b"]),
                json!({"$append": ["d"], "$remove": ["a"], "$prepend": ["a"]}),
                Some(json!(["a", "b", "d"])),
            ),
            (&list, json!(["a"]), json!({"$remove": ["b"]}), None),
            (&list, Value::Null, json!({"$append": ["b"]}), Some(json!(["b"]))),
            (
                &map,
                json!({"a": 1, "b": 2}),
                json!({"$merge": {"b": 3}}),
                Some(json!({"a": 1, "b": 3})),
            ),
            (
                &map,
                json!({"a": 1, "b": 2}),
                json!({"$remove": ["a"]}),
                Some(json!({"b": 2})),
            ),
            (&map, json!({"a": 1}), json!({"$remove": ["b"]}), None),
        ];
        for (kind, below, merge, expected) in rows {
            check(kind, &merge).expect("it fits");
            assert_eq!(over(kind, Some(&below), &merge).ok(), expected, "{merge} over {below}");
        }
        let rows = [
            (&list, json!({"$apend": ["a"]}), "did you mean `$append`?"),
            (&list, json!({"$append": "a"}), ""),
            (&list, json!({"$append": [1]}), ""),
            (&list, json!({"$merge": {}}), ""),
            (&map, json!({"$merge": {"a": "x"}}), ""),
            (&VarType::Int, json!({"$append": [1]}), ""),
        ];
        for (kind, merge, expected) in rows {
            let misfit = check(kind, &merge).expect_err("it does not fit");
            let help = misfit.help.unwrap_or_default();
            assert!(help.contains(expected), "{merge}: {help}");
        }
    }
}
