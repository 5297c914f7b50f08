//! Evidence is kept, read back, damaged and refused.

use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;

use deminer_worker::frame::Part;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn vault() -> (TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::create(&dir.path().join("vault"), None).unwrap();
    (dir, vault)
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

fn entry(sha256: Digest) -> ManifestEntry {
    ManifestEntry {
        sha256,
        size: Wide(4),
        item: EvidenceItem {
            action: None,
            part: Part::Content,
            path: "/var/tmp/../../x\n.sealed".into(),
            process: None,
            expected: None,
        },
        host: "web-1".to_owned(),
        run: "20261114-0244-7c1e".to_owned(),
        at_ms: Wide(1),
        host_time_ms: None,
    }
}

/// Replaces a sealed file, which is read only, as whoever owns it could.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_kept_reads_back_and_can_neither_run_nor_be_mistaken() {
    let (_dir, vault) = vault();
    let script = b"#!/bin/sh\necho run me\n";
    let stored = vault.keep(script).unwrap();
    assert_eq!(
        (stored.sha256, stored.size, stored.is_new),
        (Digest::of(script), 22, true)
    );
    assert_eq!(vault.content(&stored.sha256, 22).unwrap(), script);

    let path = vault.sealed_path(&stored.sha256);
    let on_disk = fs::read(&path).unwrap();
    assert!(on_disk.starts_with(MAGIC));
    assert!(
        !on_disk
            .windows(9)
            .any(|bytes| bytes == b"#!/bin/sh" && on_disk.starts_with(bytes))
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(files_below(vault.path()), [path], "nothing else is left");
}

#[test]
fn the_same_content_is_kept_once() {
    let (_dir, vault) = vault();
    assert!(vault.keep(b"same").unwrap().is_new);
    assert!(!vault.keep(b"same").unwrap().is_new);
    assert_eq!(files_below(vault.path()).len(), 1);
    overwrite(&vault.sealed_path(&Digest::of(b"same")), b"damaged meanwhile");
    assert!(vault.keep(b"same").unwrap().is_new, "what cannot be read is replaced");
    assert_eq!(vault.content(&Digest::of(b"same"), 4).unwrap(), b"same");
}

#[test]
fn it_takes_pieces_and_large_content() {
    let (_dir, vault) = vault();
    let content: Vec<u8> = (0..3_000_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let mut writer = vault.writer(content.len() as u64).unwrap();
    for piece in content.chunks(256 << 10) {
        writer.write(piece).unwrap();
    }
    let stored = writer.finish(Some(Digest::of(&content))).unwrap();
    let mut read = Vec::new();
    vault
        .open_content(&stored.sha256)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == content);
}

#[test]
fn what_may_not_be_kept_leaves_nothing() {
    let (_dir, vault) = vault();
    let mut writer = vault.writer(3).unwrap();
    assert!(matches!(writer.write(b"four"), Err(VaultError::TooLarge { limit: 3 })));
    assert!(writer.write(b"").is_err());
    assert!(writer.finish(None).is_err());

    let mut writer = vault.writer(9).unwrap();
    writer.write(b"other").unwrap();
    let refused = writer.finish(Some(Digest::of(b"expected")));
    assert!(matches!(refused, Err(VaultError::OtherContent { .. })));

    drop(vault.writer(9).unwrap());
    assert!(files_below(vault.path()).is_empty());
}

#[test]
fn a_quota_holds_over_all_contents_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = (0..20_000u32).flat_map(|n| Digest::of(&n.to_le_bytes()).0).collect();
    let vault = Vault::create(dir.path(), Some(700_000)).unwrap();
    vault.keep(&noise).unwrap();
    let vault = Vault::create(dir.path(), Some(700_000)).unwrap();
    assert!(matches!(vault.keep(&noise[1..]), Err(VaultError::Full { .. })));
    assert!(vault.keep(b"a little").is_ok(), "what was refused is not counted");
}

#[test]
fn damage_is_noticed() {
    let (_dir, vault) = vault();
    let stored = vault.keep(&[7; 10_000]).unwrap();
    let other = vault.keep(b"other").unwrap();
    let path = vault.sealed_path(&stored.sha256);
    let sound = fs::read(&path).unwrap();
    let swapped = fs::read(vault.sealed_path(&other.sha256)).unwrap();
    let rows: [(&str, Vec<u8>); 5] = [
        ("not sealed", b"\x7fELF".to_vec()),
        ("empty", Vec::new()),
        ("cut", sound[..sound.len() - 5].to_vec()),
        ("other content", swapped),
        (
            "changed",
            sound
                .iter()
                .enumerate()
                .map(|(n, b)| if n == 24 { b ^ 1 } else { *b })
                .collect(),
        ),
    ];
    for (name, bytes) in rows {
        overwrite(&path, &bytes);
        assert!(
            matches!(vault.content(&stored.sha256, 10_000), Err(VaultError::Damaged { .. })),
            "{name}"
        );
        let check = vault.verify_all().unwrap();
        assert_eq!((check.sound, check.damaged.len()), (1, 1), "{name}");
    }
    overwrite(&path, &sound);
    assert!(vault.verify_all().unwrap().is_sound());
    assert!(matches!(
        vault.content(&stored.sha256, 9_999),
        Err(VaultError::TooLarge { .. })
    ));
    assert!(matches!(
        vault.content(&Digest::of(b"never"), 9),
        Err(VaultError::Missing { .. })
    ));
}

#[test]
fn a_link_in_the_vault_is_not_followed() {
    let (dir, vault) = vault();
    let stored = vault.keep(b"content").unwrap();
    let path = vault.sealed_path(&stored.sha256);
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(vault.content(&stored.sha256, 9).is_err());
}

#[test]
fn the_manifest_survives_a_torn_line_and_misses_what_is_gone() {
    let (_dir, vault) = vault();
    let stored = vault.keep(b"kept").unwrap();
    vault.note(&entry(stored.sha256)).unwrap();
    let path = vault.path().join("manifest.ndjson");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"sha256\":\"9b").unwrap();
    let gone = entry(Digest::of(b"gone"));
    vault.note(&gone).unwrap();
    let manifest = vault.manifest().unwrap();
    assert_eq!(manifest.entries, [entry(stored.sha256), gone.clone()]);
    assert_eq!(manifest.damaged, [2]);
    let check = vault.verify_all().unwrap();
    assert_eq!((check.sound, check.missing.clone()), (1, vec![gone.sha256]));
    assert!(!check.is_sound());
}

#[test]
fn what_a_crash_left_half_written_is_removed() {
    let (_dir, vault) = vault();
    let mut writer = vault.writer(100).unwrap();
    writer.write(b"half").unwrap();
    std::mem::forget(writer);
    assert_eq!(files_below(vault.path()).len(), 1);
    Vault::create(vault.path(), None).unwrap();
    assert!(files_below(vault.path()).is_empty());
}

#[test]
fn hosts_keep_at_once() {
    let (_dir, vault) = vault();
    std::thread::scope(|scope| {
        for host in 0..4u8 {
            let vault = vault.clone();
            scope.spawn(move || {
                for item in 0..10u8 {
                    let stored = vault.keep(&[item; 100]).unwrap();
                    vault.note(&entry(stored.sha256)).unwrap();
                    vault.keep(&[host, item]).unwrap();
                }
            });
        }
    });
    let check = vault.verify_all().unwrap();
    assert!(check.is_sound());
    assert_eq!((check.sound, vault.manifest().unwrap().entries.len()), (50, 40));
}

proptest! {
    #[test]
    fn any_bytes_are_kept_exactly(content: Vec<u8>) {
        let (_dir, vault) = vault();
        let stored = vault.keep(&content).unwrap();
        prop_assert_eq!(vault.content(&stored.sha256, content.len() as u64).unwrap(), content);
    }

    #[test]
    fn garbage_is_no_evidence_and_no_manifest(bytes: Vec<u8>, seal: bool) {
        let (_dir, vault) = vault();
        let name = Digest::of(b"name");
        let path = vault.sealed_path(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = if seal { [MAGIC, &bytes].concat() } else { bytes.clone() };
        fs::write(&path, content).unwrap();
        prop_assert!(vault.content(&name, 1 << 20).is_err());
        prop_assert!(read::read_manifest(Cursor::new(bytes)).unwrap().entries.is_empty());
    }
}
