//! What must hold for the parsers of this folder, whatever the bytes are.

use std::sync::LazyLock;

use deminer_worker::text::{HostBytes, HostPath};

use super::families::{Families, Traits, shipped_resource};
use super::lenient_json;
use super::setting::{Pool, SETTINGS, Setting, of_arguments, of_environment, of_file};

static FAMILIES: LazyLock<Families> =
    LazyLock::new(|| Families::read(&shipped_resource()).expect("the shipped families are well formed"));

/// What a miner is told, in its file, its arguments, its environment (words parted by NUL bytes): bounded, and of the text.
pub fn miner_settings(bytes: &[u8]) {
    let configuration = of_file(bytes);
    assert!(configuration.settings.len() <= SETTINGS);
    let argv: Vec<HostBytes> = bytes.split(|byte| *byte == 0).map(HostBytes::new).collect();
    let told = of_arguments(&argv);
    assert!(told.len() <= SETTINGS);
    for setting in configuration.settings.iter().chain(&told) {
        bounded(setting, bytes);
    }
    let _ = of_environment(&argv);
    if let Some((pool, login)) = Pool::parse(bytes) {
        assert!(pool.host.len() + login.map_or(0, <[u8]>::len) <= bytes.len());
    }
    // A strict reader and ours agree on what is JSON.
    if let Ok(strict) = serde_json::from_slice::<serde_json::Value>(bytes)
        && (strict.is_object() || strict.is_array())
    {
        assert_eq!(lenient_json::read(bytes), Some(strict));
    }
    FAMILIES.guess(&Traits {
        programs: vec![bytes.to_vec()],
        paths: vec![HostPath::new(bytes)],
        configs: vec![HostPath::new(bytes)],
        config_keys: configuration.keys,
        texts: vec![bytes.to_vec()],
    });
}

fn bounded(setting: &Setting, bytes: &[u8]) {
    let parts = [&setting.login, &setting.worker, &setting.algorithm, &setting.coin];
    assert!(parts.into_iter().flatten().all(|part| part.len() <= bytes.len()));
}
