//! Keys that intruders are known to leave, as a file beside the playbook tells.

use std::collections::BTreeMap;

use deminer_engine::module::{Misread, Resource};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::resource_text::{self, of_version_1, wrong};

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
    pub(crate) fn read(resource: &Resource) -> Result<KnownKeys, Misread> {
        let text: KeysText = resource_text::read(resource)?;
        of_version_1(resource, "keys", &text.version)?;
        let mut families = BTreeMap::new();
        for entry in text.keys {
            let refuse = |why: String| wrong(resource, entry.referenced, why);
            let KeyText {
                fingerprint, family, ..
            } = entry.value;
            let digits = fingerprint.strip_prefix("SHA256:").unwrap_or_default();
            if digits.len() != 43 {
                return Err(refuse(format!("`{fingerprint}` is no fingerprint of SHA256")));
            }
            if families.insert(fingerprint.clone(), family).is_some() {
                return Err(refuse(format!("`{fingerprint}` stands here a second time")));
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
            ("version: 2\nkeys: []", "rules/keys.yml:1:10: keys of version 2"),
            (
                "version: 1\nkeys:\n  - {fingerprint: x, family: a, source: b}",
                "rules/keys.yml:3:5: `x` is no fingerprint",
            ),
            (
                &format!("version: 1\nkeys:\n  - {key}\n  - {key}"),
                "rules/keys.yml:4:5: ",
            ),
            ("version: 1\nkeys: []\nmore: 1", "rules/keys.yml:3:"),
        ];
        for (text, expected) in rows {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
