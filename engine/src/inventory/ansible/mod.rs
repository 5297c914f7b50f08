//! Ansible's inventories as they are: INI, YAML, programs, and the files of variables beside them.
//!
//! Read as the plugins `ini`, `yaml`, `script` and `host_group_vars` of ansible-core 2.19 read them. Nothing is evaluated:
//! a value with `{{ }}` or from Ansible's vault is named as such.

mod beside;
mod ini;
mod literal;
mod program;
mod ssh_words;
mod value;
mod words;
mod yaml;

pub(super) use self::value::VAULT;
pub(super) use beside::Beside;
pub(super) use ini::ini;
pub(super) use program::{listed, run};
pub(super) use ssh_words::ssh_words;
pub(super) use yaml::yaml;
