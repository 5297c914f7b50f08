//! Keys that intruders are known to leave, as a file beside the playbook tells.

use std::collections::BTreeMap;

use deminer_engine::module::{ModuleError, Resource};
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysText {
    version: Spanned<u32>,
    keys: Vec<Spanned<KeyText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    fingerprint: String,
    family: String,
    /// For whoever reads the file.
    #[serde(rename = "source")]
    _source: String,
}

/// Families by the fingerprint of the key that they leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KnownKeys {
    families: BTreeMap<String, String>,
}

impl KnownKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// With the place, when it is no YAML of this form, or a fingerprint is none or stands twice.
    pub(crate) fn read(resource: &Resource) -> Result<KnownKeys, ModuleError> {
        let path = &resource.path;
        let refuse = |place: String, why: String| ModuleError::Resource { place, why };
        let options = serde_saphyr::options! { with_snippet: false };
        let text: KeysText = serde_saphyr::from_str_with_options(&resource.text, options).map_err(|error| {
            let place = match error.location() {
                Some(at) => format!("{path}:{}:{}", at.line(), at.column()),
                None => path.clone(),
            };
            refuse(place, error.to_string())
        })?;
        if text.version.value != 1 {
            let place = format!("{path}:{}", text.version.referenced.line());
            let why = format!("keys of version {}; this Deminer reads version 1", text.version.value);
            return Err(refuse(place, why));
        }
        let mut families = BTreeMap::new();
        for entry in text.keys {
            let place = format!("{path}:{}", entry.referenced.line());
            let KeyText {
                fingerprint, family, ..
            } = entry.value;
            let digits = fingerprint.strip_prefix("SHA256:").unwrap_or_default();
            if digits.len() != 43 {
                return Err(refuse(place, format!("`{fingerprint}` is no fingerprint of SHA256")));
            }
            if families.insert(fingerprint.clone(), family).is_some() {
                return Err(refuse(place, format!("`{fingerprint}` stands here a second time")));
            }
        }
        Ok(KnownKeys { families })
    }

    /// Who leaves this key; `None` where it is not known.
    pub(crate) fn family(&self, fingerprint: &str) -> Option<&str> {
        self.families.get(fingerprint).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<KnownKeys, String> {
        let resource = Resource {
            path: "rules/keys.yml".to_owned(),
            text: text.to_owned(),
        };
        KnownKeys::read(&resource).map_err(|error| error.to_string())
    }

    #[test]
    fn the_list_that_is_shipped() {
        let known = read(include_str!("../../playbooks/rules/keys.yml")).expect("it is of its form");
        let outlaw = "SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw";
        assert_eq!(known.family(outlaw), Some("Outlaw"));
        assert_eq!(known.family("SHA256:"), None);
    }

    #[test]
    fn what_is_no_list() {
        let key = "{fingerprint: SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw, family: a, source: b}";
        let rows = [
            ("version: 2\nkeys: []", "rules/keys.yml:1: keys of version 2"),
            (
                "version: 1\nkeys:\n  - {fingerprint: x, family: a, source: b}",
                "rules/keys.yml:3: `x` is no fingerprint",
            ),
            (
                &format!("version: 1\nkeys:\n  - {key}\n  - {key}"),
                "rules/keys.yml:4: ",
            ),
            ("version: 1\nkeys: []\nmore: 1", "rules/keys.yml:3:"),
        ];
        for (text, expected) in rows {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
