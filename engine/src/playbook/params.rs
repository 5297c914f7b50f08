//! A step's parameters against the schema of its module.

mod words;

use std::sync::Arc;

use deminer_worker::text::Digest;
use indexmap::IndexMap;
use minijinja::machinery::ast::Expr;
use serde_json::Value;

use super::check::{Checker, Entry};
use super::checked::{CheckedResource, Recipe};
use super::expression::{Here, for_each_child};
use super::fit::unfit;
use super::include::{called, is_plain};
use super::kind::Kinds;
use super::shape::{Field, Shape};
use super::{Argument, Placed, Span, VarType};
use crate::diagnostic::{Code, Diagnostic, decoded, quoted, suggest};
use crate::module::{PLAYBOOK_TEXT_FORMAT, RESOURCE_FORMAT, Resource};
use crate::template::{Expression, Piece, Text, pieces};

/// The longest file beside a playbook.
const RESOURCE_BYTES: usize = 16 << 20;

impl Checker<'_> {
    /// Checks all parameters of a step and says how they are made.
    pub(super) fn params(
        &mut self,
        entry: &Entry<'_>,
        here: &Here<'_>,
        module: (&str, &Shape),
        at: Span,
        with: &IndexMap<String, Placed<Argument>>,
    ) -> Vec<(String, Recipe)> {
        let (module, shape) = module;
        let Shape::Schema { node, .. } = shape else {
            return Vec::new();
        };
        let here = &Here {
            module: Some(module),
            ..here.clone()
        };
        let required = node
            .get("required")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for name in required
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !with.contains_key(*name))
        {
            let message = format!("{}: `{module}` needs the parameter `{name}`", entry.label);
            let mut mistake = Diagnostic::error(Code::MissingParameter, at, message);
            if let Some(about) = description(shape, name) {
                mistake = mistake.help(format!("`{name}`: {about}"));
            }
            self.mistakes.push(mistake);
        }
        with.iter()
            .filter_map(|(name, argument)| {
                let inner = match shape.field(name) {
                    Field::Is(inner) => inner,
                    Field::Missing(names) => {
                        let message = format!("{}: `{module}` has no parameter {}", entry.label, quoted(name));
                        let help = suggest(name, names.iter().map(String::as_str));
                        let at = self.key_before(argument.span, name);
                        self.mistakes
                            .push(Diagnostic::error(Code::UnknownParameter, at, message).maybe_help(help));
                        Shape::Any
                    }
                    Field::NoMap(_) => {
                        let message = format!("{}: `{module}` takes no parameters", entry.label);
                        self.mistakes.push(
                            Diagnostic::error(Code::UnknownParameter, argument.span, message).help("remove `with`"),
                        );
                        return None;
                    }
                };
                let place = format!("{}: `{name}`", entry.label);
                Some((name.clone(), self.argument(&place, here, &inner, argument)?))
            })
            .collect()
    }

    /// The key that stands before a value, where the file has it there; else the value.
    pub(super) fn key_before(&self, value: Span, name: &str) -> Span {
        let before = self.text().get(..value.start).unwrap_or("");
        match before.rfind(name) {
            Some(start)
                if before[start + name.len()..]
                    .chars()
                    .all(|c| c.is_whitespace() || matches!(c, ':' | '"' | '\'' | '|' | '>' | '-' | '&' | '+')) =>
            {
                Span {
                    start,
                    end: start + name.len(),
                }
            }
            _ => value,
        }
    }

    pub(super) fn argument(
        &mut self,
        place: &str,
        here: &Here<'_>,
        shape: &Shape,
        given: &Placed<Argument>,
    ) -> Option<Recipe> {
        if let Some(()) = resource(shape) {
            return self.resource(place, here, shape, given);
        }
        if is_playbook_text(shape) || is_playbook_text(&shape.item()) {
            self.only_own_words(place, here.frame, given);
        }
        match &given.value {
            Argument::Literal(value) => {
                self.literal(place, here, shape, given.span, value);
                Some(Recipe::Literal(value.clone()))
            }
            Argument::Expression { text, inner } if !inner.is_empty() => {
                let told = self.expression(place, here, given.span, text, inner.clone())?;
                if let Some(found) = unfit(&told, shape) {
                    let at = self.inside(given.span, text, trimmed(text, inner.clone()));
                    self.unfit(found.message(place), here, at, &text[inner.clone()]);
                }
                Expression::compile(text[inner.clone()].trim()).map(Recipe::Value)
            }
            Argument::Expression { .. } => None,
            Argument::Template(text) => {
                self.template(place, here, given.span, text);
                let takes = shape.kinds();
                if !takes.meets(Kinds::TEXT) {
                    let message = format!("{place} takes {takes}, this is text");
                    let help = "a value that is exactly one `{{ }}` keeps its kind";
                    self.mistakes
                        .push(Diagnostic::error(Code::ParameterKind, given.span, message).help(help));
                }
                Text::compile(text).map(Recipe::Text)
            }
            Argument::List(items) => {
                if self.fits_kind(place, here, shape, given.span, Kinds::LIST) {
                    self.fits_length(place, shape, given.span, items.len());
                }
                let inner = self.listed(shape);
                items
                    .iter()
                    .map(|item| self.argument(place, here, &inner, item))
                    .collect::<Option<Vec<_>>>()
                    .map(Recipe::List)
            }
            Argument::Map(fields) => self.map(place, here, shape, given.span, fields),
        }
    }

    /// Says why what is referred to is not what the parameter takes, and where it is from.
    fn unfit(&mut self, message: String, here: &Here<'_>, at: Span, text: &str) {
        let from = minijinja::machinery::parse_expr(text.trim()).ok();
        let known = from
            .as_ref()
            .and_then(first_step)
            .and_then(|id| self.names.steps.get_key_value(id));
        let mut mistake = Diagnostic::error(Code::ParameterReference, at, message).help(says_what(here));
        if let Some((id, known)) = known {
            mistake = mistake.label(known.span, format!("`{id}` is from here"));
        }
        self.mistakes.push(mistake);
    }

    fn map(
        &mut self,
        place: &str,
        here: &Here<'_>,
        shape: &Shape,
        at: Span,
        fields: &IndexMap<String, Placed<Argument>>,
    ) -> Option<Recipe> {
        let fits = self.fits_kind(place, here, shape, at, Kinds::MAP);
        if let (true, Some([node])) = (fits, shape.alternatives().as_deref()) {
            let required = node
                .get("required")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            for name in required
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| !fields.contains_key(*name))
            {
                let message = format!("{place} needs `{name}`");
                let help = format!("write `{name}: ...` into it");
                self.mistakes
                    .push(Diagnostic::error(Code::MissingParameter, at, message).help(help));
            }
        }
        let told = self.mistakes.len();
        let mut recipes = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let inner = match shape.field(name) {
                Field::Is(inner) => inner,
                Field::NoMap(_) => Shape::Any,
                Field::Missing(names) => {
                    let message = format!("{place} has no {}", quoted(name));
                    let help = suggest(name, names.iter().map(String::as_str));
                    let at = self.key_before(value.span, name);
                    self.mistakes
                        .push(Diagnostic::error(Code::UnknownParameter, at, message).maybe_help(help));
                    Shape::Any
                }
            };
            recipes.push((
                name.clone(),
                self.argument(&format!("{place}, `{name}`"), here, &inner, value)?,
            ));
        }
        if let (true, Some(forms)) = (fits && self.mistakes.len() == told, shape.alternatives()) {
            self.has_a_form(place, here, &forms, at, fields);
        }
        Some(Recipe::Map(recipes))
    }

    /// Whether a list that is written out has as many items as it may have.
    fn fits_length(&mut self, place: &str, shape: &Shape, at: Span, items: usize) {
        let lists = shape.alternatives().unwrap_or_default();
        let [list] = lists
            .iter()
            .filter(|node| node.get("items").is_some())
            .collect::<Vec<_>>()[..]
        else {
            return;
        };
        let bound = |key: &str| list.get(key).and_then(Value::as_u64);
        let why = match u64::try_from(items) {
            Ok(n) if bound("minItems").is_some_and(|least| n < least) => "fewer items than it must have",
            Ok(n) if bound("maxItems").is_some_and(|most| n > most) => "more items than it may have",
            _ => return,
        };
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems"));
        let help = match most {
            Some(most) => format!("it has {least} to {most}"),
            None => format!("it has at least {least}"),
        };
        let message = format!("{place} has {why}");
        self.mistakes
            .push(Diagnostic::error(Code::ParameterValue, at, message).help(help));
    }

    /// Whether a map that is written out has one of several forms.
    fn has_a_form(
        &mut self,
        place: &str,
        here: &Here<'_>,
        forms: &[Value],
        at: Span,
        fields: &IndexMap<String, Placed<Argument>>,
    ) {
        let has = |form: &Value| {
            let properties = form.get("properties").and_then(Value::as_object);
            let known = |name: &String| properties.is_none_or(|all| all.contains_key(name));
            let required = form.get("required").and_then(Value::as_array).into_iter().flatten();
            let said = |name: &Value| name.as_str().is_some_and(|name| fields.contains_key(name));
            let word = |(name, value): (&String, &Placed<Argument>)| {
                let only = properties.and_then(|all| all.get(name)?.get("const"));
                match (&value.value, only) {
                    (Argument::Literal(value), Some(only)) => value == only,
                    _ => true,
                }
            };
            fields.keys().all(known) && required.into_iter().all(said) && fields.iter().all(word)
        };
        let maps = forms.iter().filter(|form| form.get("properties").is_some());
        if maps.clone().count() > 1 && !maps.clone().any(has) {
            let message = format!("{place} has none of the forms that it may have");
            self.mistakes
                .push(Diagnostic::error(Code::ParameterValue, at, message).help(says_what(here)));
        }
    }

    fn listed(&self, shape: &Shape) -> Shape {
        shape.item()
    }

    fn fits_kind(&mut self, place: &str, here: &Here<'_>, shape: &Shape, at: Span, is: Kinds) -> bool {
        let takes = shape.kinds();
        if is.meets(takes) {
            return true;
        }
        let message = format!("{place} takes {}, found {is}", takes.without(Kinds::NULL));
        self.mistakes
            .push(Diagnostic::error(Code::ParameterKind, at, message).help(says_what(here)));
        false
    }

    fn literal(&mut self, place: &str, here: &Here<'_>, shape: &Shape, at: Span, value: &Value) {
        let Some(alternatives) = shape.alternatives() else {
            return;
        };
        let kind = Kinds::of(value);
        let fitting: Vec<&Value> = alternatives
            .iter()
            .filter(|node| Shape::of_schema((*node).clone()).kinds().meets(kind))
            .collect();
        if fitting.is_empty() {
            let takes = shape.kinds().without(Kinds::NULL);
            let help = match value {
                Value::Number(_) | Value::Bool(_) if takes.meets(Kinds::TEXT) => {
                    unit_hint(&alternatives).or_else(|| Some("put it in quotes".to_owned()))
                }
                _ if takes == Kinds::LIST => Some("write it as a list: `[a, b]`".to_owned()),
                _ if takes == Kinds::BOOLEAN => Some("write `true` or `false`, without quotes".to_owned()),
                _ => Some(says_what(here)),
            };
            let found = match value {
                Value::String(text) => quoted(text),
                Value::Null => "nothing".to_owned(),
                other => format!("`{other}`"),
            };
            let message = format!("{place} takes {takes}, found {found}");
            self.mistakes
                .push(Diagnostic::error(Code::ParameterKind, at, message).maybe_help(help));
            return;
        }
        let mut first = None;
        for node in fitting {
            match misfit(node, value) {
                None => return,
                Some(why) => first = first.or(Some(why)),
            }
        }
        if let Some((why, help)) = first {
            let help = match (help, shape.words(), value.as_str()) {
                (_, Some(words), Some(word)) => suggest(word, words.iter().map(String::as_str)),
                (help, _, _) => help,
            };
            let message = format!("{place}: {why}");
            self.mistakes
                .push(Diagnostic::error(Code::ParameterValue, at, message).maybe_help(help));
        }
    }

    fn template(&mut self, place: &str, here: &Here<'_>, at: Span, text: &str) {
        let all = match pieces(text) {
            Ok(all) => all,
            Err(error) => {
                let range = error.range().unwrap_or(0..text.len());
                self.syntax(place, self.inside(at, text, range), &error);
                return;
            }
        };
        for piece in all {
            match piece {
                Piece::Raw(_) => {}
                Piece::Statement(start) => {
                    let message = format!("{place}: only `{{{{ }}}}` is of the language");
                    let help = "compute it in a `let` step and name it here";
                    let end = text[start..].find('}').map_or(text.len(), |n| start + n + 1);
                    let span = self.inside(at, text, start..(end + 1).min(text.len()));
                    self.mistakes
                        .push(Diagnostic::error(Code::Statement, span, message).help(help));
                }
                Piece::Value { text: inner, at: start } => {
                    let range = start..start + inner.len();
                    if let Some(shape) = self.expression(place, here, at, text, range.clone()) {
                        let plain = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOLEAN);
                        if !shape.kinds().meets(plain) {
                            let message = format!("{place}: {} has no written form in a text", shape.kinds());
                            let span = self.inside(at, text, trimmed(text, range));
                            let help = "use `| tojson`, or `| join(', ')`";
                            self.mistakes
                                .push(Diagnostic::error(Code::NotAValue, span, message).help(help));
                        }
                    }
                }
            }
        }
    }

    fn resource(&mut self, place: &str, here: &Here<'_>, shape: &Shape, given: &Placed<Argument>) -> Option<Recipe> {
        let Argument::Literal(Value::String(path)) = &given.value else {
            if given.value == Argument::Literal(Value::Null) && shape.kinds().meets(Kinds::NULL) {
                return Some(Recipe::Literal(Value::Null));
            }
            let message = format!("{place} is a file beside the playbook, named by its path");
            let help = "write the path itself, without `{{ }}`: it is read before any host is reached";
            self.mistakes
                .push(Diagnostic::error(Code::ResourcePath, given.span, message).help(help));
            return None;
        };
        if !is_plain(path) {
            let message = format!("{place}: {} is no path below the playbook", quoted(path));
            let help = "it is relative to the playbook's folder and does not leave it: `rules/linux.yml`";
            self.mistakes
                .push(Diagnostic::error(Code::ResourcePath, given.span, message).help(help));
            return None;
        }
        let known = self.resources.iter().find(|known| known.path == *path);
        if let Some(text) = known.map(|known| Arc::clone(&known.text)) {
            return Some(self.of_resource(here, given.span, path, text));
        }
        let beside = "it is looked for beside the playbook, as UTF-8 text";
        let (why, help) = match self.sources.load(path) {
            Some(text) if text.len() <= RESOURCE_BYTES => {
                let text: Arc<str> = Arc::from(text);
                self.resources.push(CheckedResource {
                    path: path.clone(),
                    sha256: Digest::of(text.as_bytes()),
                    text: Arc::clone(&text),
                });
                return Some(self.of_resource(here, given.span, path, text));
            }
            Some(_) => {
                let why = format!("the file {} is longer than {} MiB", quoted(path), RESOURCE_BYTES >> 20);
                (why, beside.to_owned())
            }
            None => self.sources.missing(path, beside),
        };
        let message = format!("{place}: {why}");
        self.mistakes
            .push(Diagnostic::error(Code::ResourceMissing, given.span, message).help(help));
        None
    }

    /// A file beside the playbook as a parameter, and what its module cannot read of it.
    fn of_resource(&mut self, here: &Here<'_>, at: Span, path: &str, text: Arc<str>) -> Recipe {
        let module = here.module.and_then(|name| self.registry.find(name));
        let file = Resource {
            path: path.to_owned(),
            text: text.to_string(),
        };
        if let Some(Err(misread)) = module.and_then(|module| module.erased().reads(&file)) {
            let begins = self.texts.add(&called(self.texts.name(), path), &text, at);
            let mistake = decoded(Code::ResourceWrong, &text, begins, misread.at, &misread.why);
            self.mistakes.push(mistake);
        }
        Recipe::Resource { path: file.path, text }
    }
}

/// The first step that an expression refers to.
fn first_step<'e>(tree: &'e Expr<'_>) -> Option<&'e str> {
    if let Expr::GetAttr(attr) = tree
        && matches!(&attr.expr, Expr::Var(var) if var.id == "steps")
    {
        return Some(attr.name);
    }
    let mut found = None;
    for_each_child(tree, &mut |child| found = found.or_else(|| first_step(child)));
    found
}

/// The range without the blanks around what stands in it.
pub(super) fn trimmed(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let Some(inner) = text.get(range.clone()) else {
        return range;
    };
    let start = range.start + inner.len() - inner.trim_start().len();
    start..(start + inner.trim().len())
}

/// Whether it is a file beside the playbook.
fn resource(shape: &Shape) -> Option<()> {
    let is = |node: &Value| node.get("format").and_then(Value::as_str) == Some(RESOURCE_FORMAT);
    shape.alternatives()?.iter().any(is).then_some(())
}

/// Whether it is text that only the playbook may write.
fn is_playbook_text(shape: &Shape) -> bool {
    let is = |node: &Value| node.get("format").and_then(Value::as_str) == Some(PLAYBOOK_TEXT_FORMAT);
    shape.alternatives().is_some_and(|all| all.iter().any(is))
}

/// Where it is said what is taken here: by a module, or by the variables of an included file.
fn says_what(here: &Here<'_>) -> String {
    match here.module {
        Some(module) => format!("`deminer modules {module}` says what it takes"),
        None => "`vars` of the included file say what it takes".to_owned(),
    }
}

/// What the module's manual says of a parameter: its first sentence.
fn description(shape: &Shape, name: &str) -> Option<String> {
    let Shape::Schema { node, .. } = shape else { return None };
    let text = node.get("properties")?.get(name)?.get("description")?.as_str()?;
    // Lines are wrapped where the comment is.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    Some(sentence.trim_end_matches('.').to_owned())
}

fn unit_hint(alternatives: &[Value]) -> Option<String> {
    let format = alternatives.iter().find_map(|node| node.get("format")?.as_str())?;
    match VarType::of_format(format)? {
        VarType::Duration => Some("write a unit: `5s`, `10m`".to_owned()),
        VarType::Size => Some("write a unit: `512B`, `64MiB`".to_owned()),
        VarType::Percent => Some("write the sign: `70%`".to_owned()),
        _ => None,
    }
}

/// Why a value of the right kind does not fit one schema.
fn misfit(node: &Value, value: &Value) -> Option<(String, Option<String>)> {
    let plain = |why: String| Some((why, None));
    if let Some(words) = node.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return plain(format!("`{}` is none of its words", shown(value)));
    }
    if let Some(only) = node.get("const")
        && only != value
    {
        return plain(format!("`{}` is none of its words", shown(value)));
    }
    if let Value::Number(number) = value {
        let n = number.as_f64()?;
        let bound = |key: &str| node.get(key).and_then(Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| n < *least) {
            return Some((
                format!("{number} is less than {least}"),
                Some(format!("write `{least}`, or more")),
            ));
        }
        if let Some(most) = bound("maximum").filter(|most| n > *most) {
            return Some((
                format!("{number} is more than {most}"),
                Some(format!("write `{most}`, or less")),
            ));
        }
    }
    let text = value.as_str()?;
    if let Some(kind) = node.get("format").and_then(Value::as_str).and_then(VarType::of_format)
        && let Err(misfit) = kind.decode(value)
    {
        return Some((misfit.why, misfit.help));
    }
    let pattern = node.get("pattern").and_then(Value::as_str);
    if let Some(pattern) = pattern.and_then(|p| regex::Regex::new(p).ok())
        && !pattern.is_match(text)
    {
        return plain(format!("{} does not have the form `{pattern}`", quoted(text)));
    }
    let chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let bound = |key: &str| node.get(key).and_then(Value::as_u64);
    match () {
        () if bound("minLength").is_some_and(|n| chars < n) => plain("the text is too short".to_owned()),
        () if bound("maxLength").is_some_and(|n| chars > n) => plain("the text is too long".to_owned()),
        () => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text
            .chars()
            .take(64)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
        other => other.to_string().chars().take(64).collect(),
    }
}
