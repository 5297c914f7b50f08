//! The ssh_config of one connection: what Deminer insists on, then what the user has.
//!
//! ssh takes the first value that it finds (ssh_config(5)), so what stands before the user's file holds whatever that file
//! says. It also holds for jump hosts: ssh starts itself for them with the same file. What is meant for the host alone (user,
//! port, key, master) is therefore on the command line, which ssh does not hand on.

use std::fmt::Write as _;

use super::SshTarget;

/// How many keepalives may go unanswered.
const KEEPALIVES: u32 = 3;

/// The name of the link to the user's own file, beside the generated one.
pub(super) const USERS: &str = "users";

/// Holds for the host and for every jump host on the way.
const ALWAYS: &str = "\
Host *
BatchMode yes
StrictHostKeyChecking yes
NoHostAuthenticationForLocalhost no
UpdateHostKeys no
AddKeysToAgent no
ForwardAgent no
ForwardX11 no
ForwardX11Trusted no
ClearAllForwardings yes
Tunnel no
PermitLocalCommand no
RemoteCommand none
RequestTTY no
EscapeChar none
SetEnv LC_ALL=C
";

/// The user's files, then what can only be cleared after they spoke.
const AFTER: &str = "\
Host *
SendEnv -*
";

/// The text of the file, which lies in `directory`.
pub(super) fn text(target: &SshTarget, directory: &str) -> String {
    let mut text = ALWAYS.to_owned();
    let keepalive = target.keepalive.as_secs().max(1);
    // A String takes all that is written.
    let _ = writeln!(text, "ConnectTimeout {}", target.connect_timeout.as_secs().max(1));
    let _ = writeln!(
        text,
        "ServerAliveInterval {keepalive}\nServerAliveCountMax {KEEPALIVES}"
    );
    let _ = writeln!(text, "Compression {}", if target.compress { "yes" } else { "no" });
    if let Some(kex) = &target.kex {
        let _ = writeln!(text, "KexAlgorithms {kex}");
    }
    match &target.ssh_config {
        Some(_) => {
            let _ = writeln!(text, "Include \"{directory}/{USERS}\"");
        }
        None => text.push_str("Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n"),
    }
    text.push_str(AFTER);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_stand_before_the_users_and_the_clearing_after() {
        let target = SshTarget {
            kex: Some("^curve25519-sha256".to_owned()),
            ssh_config: Some("/home/a/config with spaces".into()),
            ..SshTarget::new("web")
        };
        insta::assert_snapshot!(text(&target, "/run/user/0/dm-x"), @r#"
        Host *
        BatchMode yes
        StrictHostKeyChecking yes
        NoHostAuthenticationForLocalhost no
        UpdateHostKeys no
        AddKeysToAgent no
        ForwardAgent no
        ForwardX11 no
        ForwardX11Trusted no
        ClearAllForwardings yes
        Tunnel no
        PermitLocalCommand no
        RemoteCommand none
        RequestTTY no
        EscapeChar none
        SetEnv LC_ALL=C
        ConnectTimeout 15
        ServerAliveInterval 15
        ServerAliveCountMax 3
        Compression no
        KexAlgorithms ^curve25519-sha256
        Include "/run/user/0/dm-x/users"
        Host *
        SendEnv -*
        "#);
    }
}
