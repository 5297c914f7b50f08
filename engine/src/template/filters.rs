//! The filters that this language has differently: a list is never thinned out by a field that its items lack.

use minijinja::value::{Rest, Value as Mini};
use minijinja::{Environment, Error, ErrorKind, State};

/// Sets them, and removes all that are not of the language.
pub(super) fn set(environment: &mut Environment<'static>) {
    const OTHERS: [&str; 21] = [
        "safe",
        "escape",
        "e",
        "title",
        "capitalize",
        "count",
        "dictsort",
        "lines",
        "d",
        "attr",
        "batch",
        "slice",
        "indent",
        "groupby",
        "chain",
        "zip",
        "pprint",
        "format",
        "urlencode",
        "wordcount",
        "xmlattr",
    ];
    for name in OTHERS {
        environment.remove_filter(name);
    }
    environment.add_filter("selectattr", selectattr);
    environment.add_filter("rejectattr", rejectattr);
}

fn selectattr(state: &mut State<'_, '_>, value: Mini, attribute: String, rest: Rest<Mini>) -> Result<Mini, Error> {
    thinned(state, "selectattr", value, attribute, rest)
}

fn rejectattr(state: &mut State<'_, '_>, value: Mini, attribute: String, rest: Rest<Mini>) -> Result<Mini, Error> {
    thinned(state, "rejectattr", value, attribute, rest)
}

/// Keeps the items whose attribute passes the test; an item without the attribute is an error.
fn thinned(
    state: &mut State<'_, '_>,
    name: &str,
    value: Mini,
    attribute: String,
    rest: Rest<Mini>,
) -> Result<Mini, Error> {
    let keep = name == "selectattr";
    let mut rest = rest.0.into_iter();
    let test = rest.next();
    let args: Vec<Mini> = rest.collect();
    let mut kept = Vec::new();
    for item in value.try_iter()? {
        let mut found = item.clone();
        for hop in attribute.split('.') {
            found = match hop.parse::<usize>() {
                Ok(n) => found.get_item_by_index(n)?,
                Err(_) => found.get_attr(hop)?,
            };
        }
        if found.is_undefined() {
            let why = format!("an item has no field `{attribute}`");
            return Err(Error::new(ErrorKind::UndefinedError, why));
        }
        let passes = match test.as_ref().map(|t| t.as_str().map(str::to_owned)) {
            None => found.is_true(),
            Some(Some(test)) => {
                let mut all = vec![found];
                all.extend(args.iter().cloned());
                state.perform_test(&test, &all)?
            }
            Some(None) => return Err(Error::new(ErrorKind::InvalidOperation, "the test's name is no text")),
        };
        if passes == keep {
            kept.push(item);
        }
    }
    Ok(Mini::from(kept))
}
