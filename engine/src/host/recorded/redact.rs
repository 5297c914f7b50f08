//! A recording without the names, addresses and keys of who was recorded, that still answers the same questions.
//!
//! Each word gets one pseudonym in the whole recording, in questions too, so that what refers to each other still does. What
//! was changed keeps its length where a file's form depends on it; sizes and digests of files that were read are those of
//! what they hold now. Words that say nothing of anybody stay: accounts that every system has, and what the playbook and the
//! files beside it name themselves, such as known keys of intruders.

mod address;
mod key;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use deminer_worker::text::{Digest, HostBytes, HostPath};
use serde_json::{Map, Value};

use self::word::Words;
use super::{Capture, canonical, file_name, sorted};

/// What became of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redacted {
    /// The pseudonyms, by what they stand for: who holds this can read the recording.
    pub names: BTreeMap<String, String>,
    /// The answers.
    pub answers: usize,
    /// Bytes of all answers.
    pub bytes: u64,
}

/// Gives every answer of a recording its pseudonyms. `public` is what may stay: texts of the playbook and of the files beside
/// it; `stay` are words that the operator lets stay.
///
/// # Errors
/// When an answer cannot be read or written.
pub fn redact(folder: &Path, public: &[&str], stay: &BTreeSet<String>) -> io::Result<Redacted> {
    let answers = folder.join("answers");
    let mut captures: Vec<Value> = Vec::new();
    let mut files = Vec::new();
    for entry in fs::read_dir(&answers)? {
        files.push(entry?.path());
    }
    files.sort();
    for file in &files {
        captures.push(serde_json::from_slice(&fs::read(file)?)?);
    }
    let mut words = Words::new(public, stay);
    captures.iter().for_each(|capture| learn(capture, &mut words));
    let mut content = Content::default();
    for capture in &mut captures {
        let before = capture["query"].clone();
        words.change(capture, false, &mut content);
        in_order(&before, &mut capture["query"]);
    }
    for capture in &mut captures {
        content.settle(capture);
    }
    // Only what was made anew stays: an answer whose question is another by now has another name.
    let mut redacted = Redacted {
        names: words.table(),
        ..Redacted::default()
    };
    for file in &files {
        fs::remove_file(file)?;
    }
    for capture in captures {
        let capture: Capture = serde_json::from_value(capture)?;
        let (kind, text) = canonical(&capture.query).map_err(io::Error::other)?;
        let mut bytes = serde_json::to_vec_pretty(&sorted(serde_json::to_value(&capture)?))?;
        bytes.push(b'\n');
        redacted.answers += 1;
        redacted.bytes += bytes.len() as u64;
        super::write_private(&answers.join(file_name(&kind, &text, capture.round)), &bytes)?;
    }
    Ok(redacted)
}

/// The first uid of people, UID_MIN of login.defs(5).
const FIRST_PERSON: u64 = 1000;

/// Learns whose names are in an answer: of the accounts and of the host.
fn learn(value: &Value, words: &mut Words) {
    match value {
        Value::Object(map) => {
            let text = |name: &str| map.get(name).and_then(Value::as_str);
            if let (Some(name), Some(uid), Some(_)) = (text("name"), map.get("uid"), text("shell")) {
                // Accounts that a system or a package made are everybody's, and so are the words that describe them.
                let is_systems = uid.as_u64().is_some_and(|uid| uid < FIRST_PERSON);
                if !is_systems {
                    words.account(name, text("full_name").unwrap_or_default());
                }
            }
            if let (Some(host), Some(boot)) = (text("hostname"), text("boot_id")) {
                words.host(host);
                words.id(boot);
                words.id(text("machine_id").unwrap_or_default());
            }
            for name in map.get("own_names").and_then(Value::as_array).into_iter().flatten() {
                words.host(name.as_str().unwrap_or_default());
            }
            // It is made of the account's name, which can be guessed.
            if let Some(digest) = text("line_sha256") {
                words.digest(digest);
            }
            map.values().for_each(|value| learn(value, words));
        }
        Value::Array(items) => items.iter().for_each(|item| learn(item, words)),
        Value::String(text) => {
            // Whose home it is, though the account may be gone.
            let name = text.strip_prefix("/home/").and_then(|rest| rest.split('/').next());
            if let Some(name) = name.filter(|name| !name.contains(['*', '?', '[', '\\'])) {
                words.account(name, "");
            }
            words.mail(&bytes_of(text).unwrap_or_else(|| text.as_bytes().to_vec()));
        }
        _ => {}
    }
}

/// What files hold now.
#[derive(Default)]
struct Content {
    /// By device and inode: bytes more than before.
    sizes: BTreeMap<(String, String), u64>,
    digests: BTreeMap<String, String>,
}

impl Content {
    /// Notes what became of a file that was read whole.
    fn changed(&mut self, stat: &Map<String, Value>, before: &[u8], now: &[u8]) {
        let id = |name: &str| stat.get("id")?.get(name)?.as_str().map(str::to_owned);
        if let (Some(dev), Some(inode)) = (id("dev"), id("inode")) {
            self.sizes.insert((dev, inode), now.len() as u64);
        }
        self.digests
            .insert(Digest::of(before).to_string(), Digest::of(now).to_string());
    }

    /// Says so wherever the file is spoken of.
    fn settle(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                let id = |name: &str| Some(map.get("id")?.get(name)?.as_str()?.to_owned());
                if let (Some(dev), Some(inode), true) = (id("dev"), id("inode"), map.contains_key("size"))
                    && let Some(size) = self.sizes.get(&(dev, inode))
                {
                    map.insert("size".to_owned(), size.to_string().into());
                }
                map.values_mut().for_each(|value| self.settle(value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.settle(item)),
            Value::String(text) => {
                if let Some(now) = self.digests.get(text) {
                    text.clone_from(now);
                }
            }
            _ => {}
        }
    }
}

impl Words {
    /// Changes every text of a value; `raw` where it stands for bytes that keep their length.
    fn change(&mut self, value: &mut Value, raw: bool, content: &mut Content) {
        match value {
            Value::Object(map) => {
                let is_whole = map.get("cut").and_then(Value::as_bool) == Some(false);
                let before = map.get("content").and_then(Value::as_str).and_then(bytes_of);
                for (name, value) in map.iter_mut() {
                    let holds_zero =
                        matches!(name.as_str(), "content" | "spans") && value.to_string().contains("\\x00");
                    self.change(value, raw || holds_zero, content);
                }
                let now = map.get("content").and_then(Value::as_str).and_then(bytes_of);
                if let (true, Some(before), Some(now), Some(stat)) =
                    (is_whole, before, now, map.get("stat").and_then(Value::as_object))
                    && before != now
                {
                    content.changed(stat, &before, &now);
                }
            }
            Value::Array(items) => {
                let was_sorted = items.iter().all(|item| place(item).is_some()) && items.is_sorted_by_key(place);
                items.iter_mut().for_each(|item| self.change(item, raw, content));
                if was_sorted {
                    items.sort_by_key(place);
                }
            }
            Value::String(text) => {
                // The three forms of text: bytes, a path, and what is neither.
                let Some(bytes) = bytes_of(text) else {
                    *text = String::from_utf8_lossy(&self.pseudonyms(text.as_bytes(), false)).into_owned();
                    return;
                };
                let is_path = HostPath::new(bytes.clone()).to_string() == *text;
                let is_bytes = HostBytes::new(bytes.clone()).to_string() == *text;
                let now = self.pseudonyms(&bytes, raw);
                if now == bytes {
                    return;
                }
                *text = match (is_bytes, is_path) {
                    (true, _) => HostBytes::new(now).to_string(),
                    (false, true) => HostPath::new(now).to_string(),
                    (false, false) => String::from_utf8_lossy(&now).into_owned(),
                };
            }
            _ => {}
        }
    }
}

/// By what entries stand in order.
fn place(item: &Value) -> Option<String> {
    let path = item.get("path").or_else(|| item.get("stat")?.get("path"))?;
    path.as_str().map(str::to_owned)
}

/// Lists of a question that were in order are so again: whoever asks makes them of names, in the order of names.
fn in_order(before: &Value, query: &mut Value) {
    let texts = |value: &Value| {
        let items = value.as_array()?.iter().map(Value::as_str);
        items.collect::<Option<Vec<&str>>>().map(|texts| texts.is_sorted())
    };
    for (name, now) in query.as_object_mut().into_iter().flatten() {
        if texts(&before[name.as_str()]) == Some(true)
            && let Value::Array(items) = now
        {
            items.sort_by_key(Value::to_string);
        }
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let bytes: Result<HostBytes, _> = text.parse();
    bytes.ok().map(|bytes| bytes.as_bytes().to_vec())
}
