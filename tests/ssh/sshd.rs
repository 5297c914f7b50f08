//! An sshd of the test's own on a free port of loopback, with keys and accounts of its own.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deminer_engine::host::ssh::{Ssh, SshClient, SshTarget, Workers};

use crate::common::command::program;

/// It runs as long as the value lives.
pub(crate) struct Sshd {
    directory: tempfile::TempDir,
    port: u16,
    running: Child,
}

impl Sshd {
    pub(crate) fn start() -> Sshd {
        Sshd::with("")
    }

    /// With more lines of sshd_config(5).
    pub(crate) fn with(lines: &str) -> Sshd {
        let directory = tempfile::Builder::new()
            .prefix("deminer-sshd-")
            .tempdir()
            .expect("a directory");
        let at = |name: &str| directory.path().join(name);
        // sshd reads the keys of an account as that account.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        for name in ["host", "user", "other"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
                .arg(at(name));
            assert!(keygen.status().expect("ssh-keygen").success());
        }
        fs::copy(at("user.pub"), at("authorized")).expect("a copy");
        // The place that sshd's privilege separation wants; a service manager makes it elsewhere.
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n{lines}\n",
            directory.path().display()
        );
        fs::write(at("sshd_config"), config).expect("written");
        let running = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-f")
            .arg(at("sshd_config"))
            .arg("-E")
            .arg(at("log"))
            .stdin(Stdio::null())
            .spawn()
            .expect("sshd is installed");
        let sshd = Sshd {
            directory,
            port,
            running,
        };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd.knows("host");
        sshd
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The listening one.
    pub(crate) fn pid(&self) -> u32 {
        self.running.id()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The client's known_hosts holds this key of ours for the host; none for an empty name.
    pub(crate) fn knows(&self, key: &str) {
        let line = match key {
            "" => String::new(),
            key => {
                let public = fs::read_to_string(self.at(&format!("{key}.pub"))).expect("a key");
                format!("[127.0.0.1]:{} {public}", self.port)
            }
        };
        fs::write(self.at("known_hosts"), line).expect("written");
    }

    /// The key of the login runs this command, whatever was asked for.
    pub(crate) fn forces(&self, command: &str) {
        let public = fs::read_to_string(self.at("user.pub")).expect("a key");
        let line = format!("command=\"{}\" {public}", command.replace('"', "\\\""));
        fs::write(self.at("authorized"), line).expect("written");
    }

    /// The ssh_config of a user who calls this host `lo`, and also `jump`.
    pub(crate) fn config(&self, user: &str) -> PathBuf {
        let config = format!(
            "Host lo jump\n HostName 127.0.0.1\n Port {}\n User {user}\n IdentityFile {1}/user\n UserKnownHostsFile \
             {1}/known_hosts\n",
            self.port,
            self.directory.path().display()
        );
        let path = self.at(&format!("config-{user}"));
        fs::write(&path, config).expect("written");
        path
    }

    /// The host as this account reaches it; the worker may go to `directories`.
    pub(crate) fn target(&self, user: &str, directories: &[&Path]) -> SshTarget {
        SshTarget {
            ssh_config: Some(self.config(user)),
            directories: directories.iter().map(|path| path.to_path_buf()).collect(),
            connect_timeout: Duration::from_secs(10),
            ..SshTarget::new("lo")
        }
    }

    /// The directory for the client's sockets.
    pub(crate) fn place(&self) -> PathBuf {
        let place = self.at("c");
        fs::create_dir_all(&place).expect("a directory");
        place
    }

    pub(crate) fn client(&self) -> Arc<SshClient> {
        // The built command as it is sent: without what only debuggers read.
        let folder = self.at("workers");
        if !folder.exists() {
            fs::create_dir(&folder).expect("a directory");
            let (worker, command) = (folder.join("deminer-worker"), program());
            let stripped = Command::new("strip").arg("-o").arg(&worker).arg(&command).status();
            if !stripped.is_ok_and(|status| status.success()) {
                fs::copy(command, worker).expect("a copy");
            }
        }
        Arc::new(SshClient::new(self.place(), Workers::new(folder, "/nonexistent")))
    }

    pub(crate) fn reach(&self, target: SshTarget) -> Ssh {
        Ssh::new(target, self.client()).expect("a good target")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It is our own child, not reaped yet.
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Changes the accounts of this machine, with `input` for the program; who else does at this moment holds the lock. Whether it
/// was done.
fn accounts(words: &[&str], input: &str) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let mut command = Command::new(words[0]);
        let command = command.args(&words[1..]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut running = command.spawn().expect("the shadow tools are installed");
        if let Some(mut stdin) = running.stdin.take() {
            // One that ended already does not read it.
            let _ = stdin.write_all(input.as_bytes());
        }
        if running.wait().is_ok_and(|status| status.success()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

/// An account that is gone with the value.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: tempfile::TempDir,
}

impl Account {
    /// With a login shell, and `password` for sudo.
    pub(crate) fn new(shell: &str, password: Option<&str>) -> Account {
        let home = tempfile::Builder::new()
            .prefix("deminer-home-")
            .tempdir()
            .expect("a directory");
        let letters = home
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .to_lowercase();
        let letters: String = letters.rsplit('-').next().unwrap_or_default().to_owned();
        let name = format!("dmtest{letters}");
        let path = home.path().to_string_lossy().into_owned();
        let words = ["useradd", "-M", "-p", "*", "-s", shell, "-d", &path, &name];
        assert!(accounts(&words, ""), "{words:?}");
        let account = Account { name, home };
        let owned = Command::new("chown")
            .arg(&account.name)
            .arg(account.home.path())
            .status();
        assert!(owned.expect("chown").success());
        if let Some(password) = password {
            let line = format!("{}:{password}\n", account.name);
            assert!(accounts(&["chpasswd"], &line), "{}", account.name);
        }
        account
    }

    /// May become root, by this line of sudoers(5) after the account's name.
    pub(crate) fn may(&self, rule: &str) {
        let path = self.rule();
        fs::write(&path, format!("{} {rule}\n", self.name)).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("its mode");
    }

    fn rule(&self) -> PathBuf {
        PathBuf::from(format!("/etc/sudoers.d/{}", self.name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.rule());
        accounts(&["userdel", "-f", &self.name], "");
    }
}

/// A file system in memory that is unmounted with the value.
pub(crate) struct Mounted {
    pub(crate) at: tempfile::TempDir,
}

impl Mounted {
    /// With these options of tmpfs(5).
    pub(crate) fn new(options: &str) -> Mounted {
        let at = tempfile::Builder::new()
            .prefix("deminer-mount-")
            .tempdir()
            .expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at.path())
            .status();
        assert!(mounted.expect("mount").success());
        Mounted { at }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).status();
    }
}
