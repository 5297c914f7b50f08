//! Approvals that a real ssh-keygen signed, and all the ways in which they are none.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::approval::tests::ask as yes_to;
use crate::approval::{SIGNATURE, sign};
use crate::plan::bench::{NOW_MS, infected, origin, sample};
use crate::policy::SitePolicy;

/// Waits for an answer of ssh-keygen; the bench of plans has a runtime of its own.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(answer)
}

/// A folder with keys of the test's own.
struct Keys {
    folder: TempDir,
}

impl Keys {
    fn new(names: &[&str]) -> Keys {
        let keys = Keys {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for name in names {
            let kind = if *name == "ed" { "ed25519" } else { "ecdsa" };
            keys.keygen(&["-q", "-t", kind, "-N", "", "-C", "test", "-f", &keys.path(name)]);
        }
        keys
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn keygen(&self, words: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let status = command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(
            status.expect("ssh-keygen is installed").success(),
            "ssh-keygen {words:?}"
        );
    }

    fn public(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.pub")))
            .expect("a public key")
            .trim()
            .to_owned()
    }

    fn list(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn approvals(&self, policy: &str) -> Approvals {
        self.list("policy.yml", policy);
        SitePolicy::read(Path::new(&self.path("policy.yml")))
            .expect("a policy")
            .approvals
    }

    fn signed(&self, key: &str, bytes: &[u8]) -> SignedFile {
        let signature = wait(sign(Path::new(&self.path(key)), NAMESPACE, bytes)).expect("it signs");
        SignedFile {
            name: "a.json".to_owned(),
            bytes: bytes.to_vec(),
            signature,
        }
    }

    fn check(&self, file: SignedFile, approvals: &Approvals) -> Result<Signed, SignedError> {
        wait(Signed::check(
            file,
            approvals,
            &Requirement::default(),
            self.folder.path(),
        ))
    }
}

fn written(plan: &Plan) -> Vec<u8> {
    let mut yes = yes_to(plan);
    yes.means = SIGNATURE.to_owned();
    plan.approve(yes).expect("it fits").write_approval().expect("written")
}

const ONE: &str = "approvals: {signers: signers}";

#[test]
fn keys_of_both_kinds_and_a_certificate() {
    let keys = Keys::new(&["ed", "ec", "ca", "of_ca"]);
    keys.keygen(&[
        "-q",
        "-s",
        &keys.path("ca"),
        "-I",
        "id",
        "-n",
        "cy@x",
        &keys.path("of_ca.pub"),
    ]);
    keys.list(
        "signers",
        &format!(
            "# who may sign\nada@x,ada namespaces=\"{NAMESPACE}\" {}\nbo@x {}\n*@x cert-authority {}\n",
            keys.public("ed"),
            keys.public("ec"),
            keys.public("ca")
        ),
    );
    let (approvals, bytes) = (keys.approvals(ONE), written(&sample()));
    for (key, names) in [
        ("ed", &["ada@x", "ada"][..]),
        ("ec", &["bo@x"]),
        ("of_ca-cert.pub", &["cy@x"]),
    ] {
        let signed = keys.check(keys.signed(key, &bytes), &approvals).expect(key);
        assert_eq!(signed.by.principals, names, "{key}");
        assert!(signed.by.key.starts_with("SHA256:"), "{key}");
        let told = signed.told();
        assert_eq!((told.signer.as_str(), told.sha256), (names[0], Digest::of(&bytes)));
        let plan = ApprovedPlan::signed(&sample(), &[signed], Needed::all(1), NOW_MS).expect("it fits");
        assert_eq!(plan.approval().approver, names[0]);
    }
    assert_eq!(
        std::fs::read_dir(keys.folder.path())
            .expect("read")
            .filter(|entry| {
                entry
                    .as_ref()
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .starts_with("deminer-approval-")
            })
            .count(),
        0,
        "a private folder stayed"
    );
}

#[test]
fn who_has_a_key_in_two_lines_is_one_person_with_both_names() {
    let keys = Keys::new(&["ed", "ec"]);
    let (ed, ec) = (keys.public("ed"), keys.public("ec"));
    let list = format!(
        "# all\nada {ed}\n\"root-admin\",night@example.org namespaces=\"deminer-approval\" {ed}\nroot-admin {ec}\n"
    );
    keys.list("signers", &list);
    let (approvals, bytes) = (keys.approvals(ONE), written(&sample()));
    for (key, names) in [
        ("ed", &["ada", "root-admin", "night@example.org"][..]),
        ("ec", &["root-admin"]),
    ] {
        let signed = keys.check(keys.signed(key, &bytes), &approvals).expect(key);
        assert_eq!(signed.by.principals, names, "{key}");
    }
}

#[test]
fn every_refusal_has_its_own_words() {
    let keys = Keys::new(&["ed", "ec"]);
    let ed = keys.public("ed");
    for (name, text) in [
        ("signers", format!("ada {ed}\n")),
        ("others", format!("bo {}\n", keys.public("ec"))),
        ("for_files", format!("ada namespaces=\"file\" {ed}\n")),
        ("ended", format!("ada valid-before=\"20200101\" {ed}\n")),
        ("later", format!("ada valid-after=\"20990101\" {ed}\n")),
        ("nobody", "# nobody\n".to_owned()),
        ("revoked", format!("{ed}\n")),
        ("not_revoked", format!("{}\n", keys.public("ec"))),
    ] {
        keys.list(name, &text);
    }
    let bytes = written(&sample());
    keys.list("withdrawn", &format!("{}\n", Digest::of(&bytes)));
    let good = keys.signed("ed", &bytes);
    let with = |change: fn(&mut SignedFile)| {
        let mut file = good.clone();
        change(&mut file);
        file
    };
    let foreign = {
        let mut file = good.clone();
        let path = keys.path("foreign");
        std::fs::write(&path, &bytes).expect("written");
        keys.keygen(&["-q", "-Y", "sign", "-n", "file", "-f", &keys.path("ed"), &path]);
        file.signature = std::fs::read(keys.path("foreign.sig")).expect("a signature");
        file
    };
    let by = |list: &str| format!("approvals: {{signers: {list}}}");
    let rows = [
        ("good", good.clone(), by("signers"), ""),
        (
            "another key revoked",
            good.clone(),
            "approvals: {signers: signers, revoked: not_revoked}".to_owned(),
            "",
        ),
        (
            "key revoked",
            good.clone(),
            "approvals: {signers: signers, revoked: revoked}".to_owned(),
            "a key that was revoked",
        ),
        (
            "approval revoked",
            good.clone(),
            "approvals: {signers: signers, revoked_approvals: withdrawn}".to_owned(),
            "was revoked",
        ),
        ("nobody may", good.clone(), by("nobody"), "does not allow"),
        ("others may", good.clone(), by("others"), "does not allow"),
        ("for files", good.clone(), by("for_files"), "does not let sign this"),
        ("ended", good.clone(), by("ended"), "does not allow"),
        ("later", good.clone(), by("later"), "does not allow"),
        (
            "no list",
            good.clone(),
            "approvals: {unsigned: true}".to_owned(),
            "no list says",
        ),
        ("as a file", foreign, by("signers"), "was signed as `file`"),
        (
            "content changed",
            with(|file| file.bytes[20] ^= 1),
            by("signers"),
            "is not what was signed",
        ),
        (
            "content cut",
            with(|file| file.bytes.truncate(40)),
            by("signers"),
            "is not what was signed",
        ),
        (
            "content grown",
            with(|file| file.bytes.push(b'\n')),
            by("signers"),
            "is not what was signed",
        ),
        (
            "signature empty",
            with(|file| file.signature.clear()),
            by("signers"),
            "is no signature",
        ),
        (
            "signature cut",
            with(|file| file.signature.truncate(60)),
            by("signers"),
            "is no signature",
        ),
    ];
    for (name, file, policy, expected) in rows {
        let approvals = keys.approvals(&policy);
        match keys.check(file, &approvals) {
            Ok(_) => assert_eq!(expected, "", "{name}"),
            Err(error) => {
                assert!(
                    !expected.is_empty() && error.to_string().contains(expected),
                    "{name}: {error}"
                );
                assert!(error.hint().is_some(), "{name}");
            }
        }
    }
}

#[test]
fn no_byte_of_either_file_may_be_another() {
    let keys = Keys::new(&["ed"]);
    keys.list("signers", &format!("ada {}\n", keys.public("ed")));
    let (approvals, bytes) = (keys.approvals(ONE), written(&sample()));
    let good = keys.signed("ed", &bytes);
    for at in (0..bytes.len()).step_by(bytes.len() / 12) {
        let mut file = good.clone();
        file.bytes[at] ^= 0x01;
        let error = keys.check(file, &approvals).expect_err("a byte is another");
        assert!(
            matches!(error, SignedError::Changed { .. }),
            "byte {at} of the approval: {error}"
        );
    }
    // Letters of the signature: all but the last of its lines, whose last letter may hold bits that count for nothing.
    let text = String::from_utf8(good.signature.clone()).expect("text");
    let letters: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(at, _)| at)
        .collect();
    for at in letters.iter().copied().step_by(letters.len() / 12) {
        let mut file = good.clone();
        file.signature[at] = if file.signature[at] == b'x' { b'y' } else { b'x' };
        let error = keys.check(file, &approvals).expect_err("a letter is another");
        assert!(
            matches!(
                error,
                SignedError::NotASignature { .. }
                    | SignedError::Changed { .. }
                    | SignedError::OtherNamespace { .. }
                    | SignedError::UnknownSigner { .. }
            ),
            "letter {at} of the signature: {error}"
        );
    }
}

#[test]
fn it_must_be_for_this_plan_and_in_time() {
    let keys = Keys::new(&["ed", "ec"]);
    keys.list(
        "signers",
        &format!("ada {}\nbo {}\n", keys.public("ed"), keys.public("ec")),
    );
    let (plan, approvals) = (sample(), keys.approvals(ONE));
    let signed = keys
        .check(keys.signed("ed", &written(&plan)), &approvals)
        .expect("it is signed");
    let other = Plan::new(origin(), vec![infected("web-7").plan()]).expect("another plan");
    let refused = |plan: &Plan, signed: &[Signed], needed, now_ms| {
        let error = ApprovedPlan::signed(plan, signed, needed, now_ms).expect_err("it does not fit");
        assert!(error.hint().is_some(), "{error}");
        error.to_string()
    };
    let one = [signed.clone()];
    assert!(refused(&other, &one, Needed::all(1), NOW_MS).contains("a.json: the plan's hash is"));
    assert!(refused(&plan, &one, Needed::all(1), NOW_MS + 60_001).contains("a.json: the approval was good until"));
    assert!(refused(&plan, &one, Needed::all(2), NOW_MS).contains("2 different signers are needed, 1 signed: ada"));
    assert!(refused(&plan, &[signed.clone(), signed.clone()], Needed::all(2), NOW_MS).contains("1 signed: ada"));
    assert!(refused(&plan, &[], Needed::all(1), NOW_MS).contains("0 signed"));
    let second = keys
        .check(keys.signed("ec", &written(&plan)), &approvals)
        .expect("it is signed");
    let two = ApprovedPlan::signed(&plan, &[signed, second], Needed::all(2), NOW_MS).expect("two signed");
    assert_eq!(two.approval().approver, "ada, bo");
    assert!(two.begin("web-1", deminer_worker::order::Stage::Eradicate).is_some());
}

#[test]
fn a_plan_that_wants_signatures_takes_no_unsigned_yes() {
    let origin = crate::plan::Origin {
        approvals: Some(Requirement {
            needed: Needed::all(2),
            unsigned: false,
            signers: Some(Digest::of(b"a list")),
        }),
        ..origin()
    };
    let plan = Plan::new(origin, vec![infected("web-1").plan()]).expect("one host makes a plan");
    assert_eq!(
        Plan::read(&plan.write())
            .expect("it reads back")
            .header()
            .requirement()
            .needed,
        Needed::all(2)
    );
    let error = plan.approve(yes_to(&plan)).expect_err("it is not signed");
    assert!(matches!(error, ApprovalError::Unsigned { needed: 2 }), "{error}");
    assert!(error.hint().is_some());
    assert!(written(&plan).len() > 64, "what is to be signed can be written");
}

#[test]
fn files_lie_beside_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.json");
    std::fs::write(&path, "{}").expect("written");
    assert!(matches!(SignedFile::read(&path), Err(SignedError::NoSignature { .. })));
    std::fs::write(beside(&path), "x").expect("written");
    let read = SignedFile::read(&path).expect("both are there");
    assert_eq!(
        (read.bytes.as_slice(), read.signature.as_slice()),
        (&b"{}"[..], &b"x"[..])
    );
    std::fs::write(beside(&path), vec![b'x'; signature::BYTES + 1]).expect("written");
    assert!(matches!(SignedFile::read(&path), Err(SignedError::Unreadable { .. })));
    let missing = SignedFile::read(&folder.path().join("b.json"));
    assert!(matches!(missing, Err(SignedError::Unreadable { .. })));
}
