//! Modules as a manual: what each can do, what it takes, what it gives, what it cannot see. All from the module itself.

mod markdown;

use deminer_engine::module::{Module, RESOURCE_FORMAT, Registry};
use deminer_engine::playbook::Library;
use serde_json::{Map, Value, json};

pub(crate) use markdown::reference as markdown;

use super::Style;
use super::style::padded;
use super::table::Table;
use super::words::Lang;

/// The column of one module's lines.
const COLUMN: usize = 10;

/// How deep types are written out.
const DEPTH: usize = 3;

/// All modules and files of the library, a line each.
pub(crate) fn list(registry: &Registry, style: &Style) -> String {
    let mut table = Table::new(&["module", "effect", "phases", "what it does"]);
    for module in registry.iter() {
        let about = module.about();
        table.row(vec![
            about.name.to_owned(),
            about.effect.to_string(),
            phases(module).join(" "),
            about.summary.to_owned(),
        ]);
    }
    let mut out = table.text(style);
    out.push_str(
        "\nread and judge change nothing; preserve, contain and destroy only propose, and wait for a yes.\n\n",
    );
    let mut table = Table::new(&["library", "what it is"]);
    for (path, help) in registry.shelf().iter() {
        table.row(vec![format!("{}{path}", Library::MARK), help.to_owned()]);
    }
    out.push_str(&table.text(style));
    out.push_str("\nSteps of the library are included, `include: deminer:look-1.yml`; rules are named like a file of your own.\n");
    out.push_str("next  deminer modules NAME\n");
    out
}

/// One module, as a manual page.
pub(crate) fn one(module: &Module, style: &Style) -> String {
    let about = module.about();
    let phases = phases(module);
    let several = if phases.len() == 1 { "phase" } else { "phases" };
    let handbook = match about.handbook {
        "" => String::new(),
        section => format!("; handbook {section}"),
    };
    let mut out = style.hang(
        &format!("{}  ", about.name),
        &format!(
            "{}; {several} {}{handbook}",
            about.effect,
            Lang::En.words().and(&phases)
        ),
    );
    out.push_str(&style.hang("  ", about.summary));
    let params = module.erased().params_schema();
    let params = Fields::of(params.as_value()).lines(", must be given");
    if params.is_empty() {
        out.push_str(&style.entry("with", COLUMN, "nothing"));
    }
    out.push_str(&entries("with", &params, style));
    let output = module.erased().output_schema();
    out.push_str(&entries("gives", &Fields::of(output.as_value()).lines(""), style));
    out.push_str(&style.entry("not seen", COLUMN, about.not_seen));
    // Never wrapped: it is to be pasted.
    out.push_str(&format!(
        "  {}- {}\n",
        padded("example", COLUMN),
        about.example.trim_start_matches("- ")
    ));
    out
}

/// The modules and the library, for programs.
pub(crate) fn catalogue(registry: &Registry) -> Value {
    let mut all = json(registry.iter());
    let files = registry.shelf().iter();
    let files = files.map(|(path, help)| json!({"path": format!("{}{path}", Library::MARK), "help": help}));
    all["library"] = files.collect();
    all
}

/// The modules, for programs; the schemas as they are.
pub(crate) fn json<'a>(modules: impl IntoIterator<Item = &'a Module>) -> Value {
    let modules = modules.into_iter().map(|module| {
        let about = module.about();
        let erased = module.erased();
        json!({
            "name": about.name,
            "kind": match module {
                Module::Collector(_) => "collector",
                Module::Analyzer(_) => "analyzer",
                Module::Responder(_) => "responder",
                Module::Question(_) => "question",
            },
            "effect": about.effect,
            "phases": about.phases,
            "summary": about.summary,
            "handbook": about.handbook,
            "not_seen": about.not_seen,
            "example": about.example,
            "params": erased.params_schema().as_value(),
            "output": erased.output_schema().as_value(),
        })
    });
    json!({ "format": 1, "modules": modules.collect::<Vec<_>>() })
}

fn phases(module: &Module) -> Vec<String> {
    module.about().phases.iter().map(ToString::to_string).collect()
}

fn entries(word: &str, lines: &[String], style: &Style) -> String {
    let entry = |(at, line): (usize, &String)| style.entry(if at == 0 { word } else { "" }, COLUMN, line);
    lines.iter().enumerate().map(entry).collect()
}

/// The fields of an object's schema.
struct Fields<'a> {
    root: &'a Value,
    properties: Option<&'a Map<String, Value>>,
    required: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(root: &'a Value) -> Fields<'a> {
        let object = resolved(root, root);
        let required = object["required"].as_array().into_iter().flatten();
        Fields {
            root,
            properties: object["properties"].as_object(),
            required: required.filter_map(Value::as_str).collect(),
        }
    }

    /// A line a field: name, type, default or what is said of one without, and the author's words.
    fn lines(&self, without_default: &str) -> Vec<String> {
        let entries = self.entries(without_default).into_iter();
        let line = |(name, kind, words): (&str, String, String)| match words.is_empty() {
            true => format!("{name}: {kind}"),
            false => format!("{name}: {kind}. {words}"),
        };
        entries.map(line).collect()
    }

    /// Each field: name, type with default or what is said of one without, and the author's words.
    fn entries(&self, without_default: &str) -> Vec<(&str, String, String)> {
        let fields = self.properties.into_iter().flatten().map(|(name, schema)| {
            let mut line = kind(self.root, schema, DEPTH);
            match &schema["default"] {
                Value::Null => {}
                Value::String(text) if !text.is_empty() => line.push_str(&format!(", default {text}")),
                value => {
                    let text = value.to_string();
                    // A default as long as a page is in the JSON.
                    line.push_str(&match text.len() > 80 {
                        true => ", with a default".to_owned(),
                        false => format!(", default {text}"),
                    });
                }
            }
            if self.required.contains(&name.as_str()) && schema.get("default").is_none() {
                line.push_str(without_default);
            }
            let words: Vec<&str> = schema["description"]
                .as_str()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            (name.as_str(), line, words.join(" "))
        });
        fields.collect()
    }
}

/// What a reference leads to; a schema that is none is itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"]
        .as_str()
        .and_then(|path| root.pointer(path.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// A type in few words.
fn kind(root: &Value, schema: &Value, depth: usize) -> String {
    let named = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let schema = resolved(root, schema);
    if schema["format"] == RESOURCE_FORMAT {
        return "file".to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return words.join(" | ");
    }
    if let Some(word) = schema["const"].as_str() {
        return word.to_owned();
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(variants) = schema[several].as_array() {
            return alternatives(root, variants, depth)
                .or_else(|| named.map(lower))
                .unwrap_or_else(|| "value".to_owned());
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => return named.map_or_else(|| "value".to_owned(), lower),
    };
    let words = types.into_iter().map(|word| match word {
        "array" => format!("list of {}", kind(root, &schema["items"], depth)),
        "object" => object(root, schema, named, depth),
        "string" => named.map_or_else(|| schema["format"].as_str().unwrap_or("string").to_owned(), lower),
        "null" => "nothing".to_owned(),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// Alternatives that are short enough to be written out.
fn alternatives(root: &Value, variants: &[Value], depth: usize) -> Option<String> {
    let words: Vec<String> = variants
        .iter()
        .map(|variant| kind(root, variant, depth.saturating_sub(1)))
        .collect();
    let all_words = words
        .iter()
        .all(|word| word.chars().all(|c| c.is_alphanumeric() || c == '_'));
    match words.len() <= 2 || all_words {
        true => Some(words.join(if all_words && words.len() > 2 { " | " } else { " or " })),
        false => None,
    }
}

fn object(root: &Value, schema: &Value, named: Option<&str>, depth: usize) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return match &schema["additionalProperties"] {
            Value::Object(_) => format!("map of {}", kind(root, &schema["additionalProperties"], depth)),
            _ => "map".to_owned(),
        };
    };
    if depth == 0 {
        return named.map_or_else(|| "object".to_owned(), lower);
    }
    let fields = properties.iter().map(|(name, field)| {
        let inner = resolved(root, field);
        match inner["properties"].is_object() && depth > 1 {
            true => format!("{name} {}", object(root, inner, None, depth - 1)),
            false => name.clone(),
        }
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// `DurationParam` as people say it: `duration`.
fn lower(name: &str) -> String {
    let name = name.strip_suffix("Param").unwrap_or(name);
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        deminer_modules::registry()
    }

    #[test]
    fn a_list_and_one() {
        insta::assert_snapshot!("modules", list(&registry(), &Style::PLAIN));
        let one = one(
            registry().find("process.list").expect("a shipped module"),
            &Style::PLAIN,
        );
        insta::assert_snapshot!("module", one);
    }

    #[test]
    fn every_module_has_a_page_and_a_schema() {
        let registry = registry();
        for module in registry.iter() {
            let page = one(module, &Style::PLAIN);
            let about = module.about();
            for part in [
                about.name,
                about.not_seen.split(' ').next().unwrap_or_default(),
                about.example,
            ] {
                assert!(page.contains(part), "{}: {part}\n{page}", about.name);
            }
            assert!(page.contains("  gives"), "{page}");
        }
        let json = json(registry.iter());
        assert_eq!(json["modules"].as_array().map(Vec::len), Some(registry.iter().count()));
        assert!(json["modules"][0]["params"].is_object());
    }

    #[test]
    fn types_in_few_words() {
        let root = json!({"$defs": {
            "DurationParam": {"type": "string"},
            "Row": {"type": "object", "properties": {"pid": {"type": "integer"}, "exe": {"$ref": "#/$defs/Exe"}}},
            "Exe": {"type": "object", "properties": {"path": {"type": "string"}}},
            "Loop": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}},
        }});
        let rows = [
            (json!({"$ref": "#/$defs/DurationParam"}), "duration"),
            (
                json!({"type": "array", "items": {"$ref": "#/$defs/Row"}}),
                "list of {pid, exe {path}}",
            ),
            (json!({"$ref": "#/$defs/Loop"}), "{next {next {next}}}"),
            (json!({"type": ["string", "null"]}), "string or nothing"),
            (
                json!({"anyOf": [{"$ref": "#/$defs/Exe"}, {"type": "null"}]}),
                "{path} or nothing",
            ),
            (json!({"enum": ["a", "b"]}), "a | b"),
            (json!({"type": "string", "format": RESOURCE_FORMAT}), "file"),
            (json!(true), "value"),
        ];
        for (schema, expected) in rows {
            assert_eq!(kind(&root, &schema, DEPTH), expected, "{schema}");
        }
    }
}
