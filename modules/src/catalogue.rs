//! The persistence catalogue: where a Linux host keeps what starts or loads something without anybody asking.
//!
//! One place is one line of the table: what it is called, where it lies, how it is read, as whom it runs, when, and what
//! may be taken away there. Everything else goes by the table: collectors read it, the trace follows what it says, and a
//! responder refuses what lies outside of it. A file belongs to the first place that has a pattern for it.
//! Sources: the manual pages named in the table, `uac` and `PANIX` for the places themselves. Handbook 2.1.3.1, 2.1.3.5.

use deminer_worker::action::StarterKind;
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crontab::UserField;
use crate::shell_statements::Dialect;

/// How a place's files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Lines with five times and a command.
    Crontab(UserField),
    /// Lines with a period, a delay and a name before the command.
    Anacrontab,
    /// A script whose head sets the scene; what counts stands below.
    AtJob,
    /// A path, a mask and a command.
    Incrontab,
    /// A program or script that is run whole.
    Script,
    /// Text that a shell reads, line by line; by its name for fish and csh, else for sh and its like.
    Shell,
    /// `id:runlevels:action:command`.
    Inittab,
    /// A job of upstart: `exec` and `script`.
    Upstart,
    /// Names of libraries.
    Preload,
    /// Settings that every session gets.
    Environment,
    /// The commands of udev rules: `RUN+=`, `PROGRAM=`, `IMPORT{program}=`.
    Udev,
    /// Modules of PAM with a path of their own, and what `pam_exec` runs.
    Pam,
    /// `postrotate` and its like, up to `endscript`.
    Logrotate,
    /// The hooks of apt: `DPkg::Post-Invoke {"..";};`.
    Apt,
    /// `post-invoke=`.
    Dpkg,
    /// `up`, `post-up`, `down`, ... of interfaces(5).
    Interfaces,
    /// `install NAME COMMAND`.
    Modprobe,
    /// Names of kernel modules.
    Names,
    /// The settings of the kernel that name a program: `kernel.core_pattern`, ...
    Sysctl,
    /// One value that names a program.
    Value,
    /// `Exec=` of a desktop entry or a bus name: the whole file starts that.
    Exec,
    /// Python that runs as every Python begins: `import` lines, or all of it.
    Python,
    /// Any line that names a file by its whole path.
    Paths,
    /// A link: what it leads to is started.
    Link,
    /// Not here: the module of that name reads it.
    By(&'static str),
}

/// As whom it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// root.
    Root,
    /// Whom the line names, or nobody in particular.
    Line,
    /// Whom the file's name names.
    FileName,
    /// The file's owner.
    FileOwner,
    /// Whose home it lies in.
    HomeOwner,
    /// Whoever it happens to: who logs in, who starts a program.
    Anyone,
}

/// When it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// By the clock, by the minute.
    Minute,
    /// By the clock, once a day or at one time.
    Clock,
    /// As the host or its manager of services begins.
    Boot,
    /// As somebody logs in, out, or opens a shell.
    Login,
    /// As packages are installed or removed.
    Package,
    /// As something else happens: a device, a network, a mail, a program.
    Event,
    /// As any program begins.
    Program,
}

/// What may be taken away at a place without a person's own hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// A line.
    Line,
    /// The whole file, if all of it serves the intruder.
    File(StarterKind),
    /// The whole file, if all of it serves the intruder; else a line.
    FileOrLine(StarterKind),
    /// The link; or the whole file, where it is one.
    Link(StarterKind),
    /// Nothing: a mistake there locks people out, or nobody can tell good from bad by the text.
    Review,
}

/// One place.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it is called.
    pub place: Place,
    /// What it is.
    pub what: &'static str,
    /// Where its files lie: absolute patterns, `*` and `?` within one component, `~` for every home; parted by blanks.
    pub files: &'static str,
    /// How they are read.
    pub reads: Reads,
    /// As whom they run.
    pub runs_as: RunsAs,
    /// When.
    pub trigger: Trigger,
    /// What may be taken away.
    pub removal: Removal,
    /// Where it is written down.
    pub source: &'static str,
    /// A text of such a file, and what it must be read to start; empty where it starts no file by its words.
    pub example: (&'static str, &'static str),
}

macro_rules! places {
    ($($place:ident, $what:literal, $files:literal, $reads:expr, $runs_as:ident, $trigger:ident, $removal:expr, $source:literal, $example:expr;)*) => {
        /// The kinds of place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Place {
            $(#[doc = $what] $place,)*
        }

        /// All places, in the order in which a file is looked up.
        pub const PLACES: &[Entry] = &[$(Entry {
            place: Place::$place,
            what: $what,
            files: $files,
            reads: $reads,
            runs_as: RunsAs::$runs_as,
            trigger: Trigger::$trigger,
            removal: $removal,
            source: $source,
            example: $example,
        },)*];
    };
}

use Reads::*;
use Removal::{File, FileOrLine, Line, Link as ALink, Review};
use StarterKind::{AtJob as Job, CronScript, InitScript, Other, ShellFile};
use UserField::{Absent, Present};

// place, what it is, files, how they are read, as whom, when, what may be taken away, where it is written down, (text, what it starts)
places! {
    Crontab, "A user's crontab in the spool.", "/var/spool/cron/* /var/spool/cron/crontabs/* /var/spool/cron/tabs/* /etc/crontabs/*", Crontab(Absent), FileName, Minute, Line, "crontab(5)", ("*/5 * * * * /tmp/x -a", "/tmp/x");
    CronD, "`/etc/crontab` or a file of `/etc/cron.d`, with a user field.", "/etc/crontab /etc/cron.d/*", Crontab(Present), Line, Minute, Line, "crontab(5)", ("@reboot root /tmp/x", "/tmp/x");
    CronPeriodic, "A file of `/etc/cron.hourly`, `cron.daily`, `cron.weekly`, `cron.monthly`.", "/etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/* /etc/cron.yearly/* /etc/periodic/*/*", Script, Root, Clock, File(CronScript), "run-parts(8)", ("#!/bin/sh\n/tmp/x &\n", "/tmp/x");
    Anacrontab, "What anacron makes up for.", "/etc/anacrontab", Anacrontab, Root, Clock, Line, "anacrontab(5)", ("1 5 job nice /tmp/x", "/tmp/x");
    AtJob, "A job of at or batch.", "/var/spool/cron/atjobs/* /var/spool/at/* /var/spool/atjobs/* /var/spool/atspool/* /var/spool/cron/atspool/*", AtJob, FileOwner, Minute, File(Job), "at(1), atd(8)", ("#!/bin/sh\n# atrun uid=0 gid=0\ncd /root || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n/tmp/x\n", "/tmp/x");
    Incrontab, "What incron starts as a file changes.", "/var/spool/incron/* /etc/incron.d/*", Incrontab, FileName, Event, Line, "incrontab(5)", ("/tmp IN_CREATE /tmp/x $@", "/tmp/x");

    RcLocal, "The administrator's own commands at boot.", "/etc/rc.local /etc/rc.d/rc.local /etc/rc.d/rc.sysinit /etc/rc.d/boot.local /etc/init.d/boot.local /etc/init.d/after.local /etc/conf.d/local /etc/rc.shutdown", Shell, Root, Boot, Line, "systemd-rc-local-generator(8)", ("#!/bin/sh -e\n/tmp/x &\nexit 0\n", "/tmp/x");
    InitScript, "A script of SysV init or OpenRC.", "/etc/init.d/* /etc/rc.d/init.d/*", Script, Root, Boot, File(InitScript), "init.d(7), update-rc.d(8)", ("#!/bin/sh\ncase $1 in start) /tmp/x ;; esac\n", "/tmp/x");
    RcLink, "A link by which SysV init or OpenRC starts or stops a script.", "/etc/rc?.d/* /etc/rc.d/rc?.d/* /etc/runlevels/*/*", Link, Root, Boot, ALink(InitScript), "init.d(7), update-rc.d(8)", ("", "");
    LocalD, "A script that OpenRC runs at the end of boot.", "/etc/local.d/*", Script, Root, Boot, File(InitScript), "openrc(8)", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    Inittab, "What init starts, and starts again.", "/etc/inittab", Inittab, Root, Boot, Line, "inittab(5)", ("x:2345:respawn:/tmp/x", "/tmp/x");
    Upstart, "A job of upstart.", "/etc/init/*.conf /etc/init/*.override ~/.config/upstart/*.conf ~/.init/*.conf", Upstart, Root, Boot, File(InitScript), "init(5) of upstart", ("start on runlevel\nexec /tmp/x\n", "/tmp/x");
    Supervised, "A service that runit or s6 keeps running.", "/etc/service/*/run /etc/sv/*/run /service/*/run /etc/s6/*/run /var/service/*/run", Script, Root, Boot, File(InitScript), "runsv(8)", ("#!/bin/sh\nexec /tmp/x\n", "/tmp/x");
    Supervisor, "A program that supervisor or monit keeps running.", "/etc/supervisord.conf /etc/supervisor/supervisord.conf /etc/supervisor/conf.d/* /etc/supervisord.d/* /etc/monitrc /etc/monit/monitrc /etc/monit/conf.d/* /etc/monit/conf-enabled/* /etc/monit.d/*", Paths, Root, Boot, Review, "supervisord.org, monit(1)", ("command=/tmp/x -a\n", "/tmp/x");
    Interfaces, "What is run as a network interface comes or goes.", "/etc/network/interfaces /etc/network/interfaces.d/*", Interfaces, Root, Boot, Line, "interfaces(5)", ("iface eth0 inet dhcp\n  post-up /tmp/x\n", "/tmp/x");

    ShellProfile, "What every shell reads as it begins or ends.", "/etc/profile /etc/bash.bashrc /etc/bashrc /etc/bash.bash_logout /etc/bash_completion /etc/zsh/* /etc/zshenv /etc/zprofile /etc/zshrc /etc/zlogin /etc/zlogout /etc/ksh.kshrc /etc/csh.cshrc /etc/csh.login /etc/csh.logout /etc/fish/config.fish /etc/profile.local /etc/bash.bashrc.local", Shell, Anyone, Login, Line, "bash(1), zsh(1), csh(1), fish(1)", ("/tmp/x &\n", "/tmp/x");
    ProfileD, "A file that every shell or session reads as it begins.", "/etc/profile.d/* /etc/bash_completion.d/* /etc/bashrc.d/* /etc/bash/bashrc.d/* /etc/fish/conf.d/* /etc/X11/Xsession.d/* /etc/X11/xinit/xinitrc.d/*", Shell, Anyone, Login, FileOrLine(ShellFile), "bash(1), Xsession(5)", ("/tmp/x &\n", "/tmp/x");
    Skeleton, "What a new user's shell will read.", "/etc/skel/.*", Shell, Anyone, Login, Line, "useradd(8)", ("/tmp/x &\n", "/tmp/x");
    HomeShell, "What a user's shell or session reads as it begins or ends.", "~/.bashrc ~/.profile ~/.bash_profile ~/.bash_login ~/.bash_logout ~/.bash_aliases ~/.bash_completion ~/.zshrc ~/.zshenv ~/.zprofile ~/.zlogin ~/.zlogout ~/.kshrc ~/.mkshrc ~/.cshrc ~/.tcshrc ~/.login ~/.logout ~/.config/fish/config.fish ~/.config/fish/conf.d/* ~/.xprofile ~/.xinitrc ~/.xsession ~/.xsessionrc", Shell, HomeOwner, Login, Line, "bash(1), zsh(1), csh(1), fish(1)", ("/tmp/x &\n", "/tmp/x");
    SshRc, "What sshd runs as somebody logs in.", "/etc/ssh/sshrc ~/.ssh/rc", Shell, HomeOwner, Login, Line, "sshd(8)", ("/tmp/x\n", "/tmp/x");
    AuthorizedKey, "A key with a command of its own, which runs at each login by it.", "~/.ssh/authorized_keys ~/.ssh/authorized_keys2 /etc/ssh/authorized_keys/*", By("key.list"), HomeOwner, Login, Line, "sshd(8)", ("", "");
    Sudoers, "A rule of sudoers: what somebody may run as another.", "/etc/sudoers /etc/sudoers.d/*", By("sudoers.list"), Line, Event, Line, "sudoers(5)", ("", "");
    Environment, "Settings that every session gets.", "/etc/environment /etc/environment.d/* ~/.pam_environment ~/.ssh/environment ~/.config/environment.d/* /usr/lib/environment.d/*", Environment, HomeOwner, Login, Line, "environment(5), pam_env(8), environment.d(5)", ("LD_PRELOAD=/tmp/x.so", "/tmp/x.so");
    Motd, "A script that makes the message of the day, as root.", "/etc/update-motd.d/*", Script, Root, Login, File(Other), "update-motd(5)", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    Autostart, "A desktop entry that starts with the session.", "/etc/xdg/autostart/* ~/.config/autostart/*", Exec, HomeOwner, Login, File(Other), "Desktop Application Autostart Specification", ("[Desktop Entry]\nExec=/tmp/x -a\n", "/tmp/x");
    SessionScript, "A script that starts or ends with the desktop session.", "~/.config/autostart-scripts/* ~/.config/plasma-workspace/env/* ~/.config/plasma-workspace/shutdown/* ~/.kde/Autostart/*", Script, HomeOwner, Login, File(ShellFile), "KDE UserBase, Autostart", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    Pam, "What PAM loads or runs as somebody proves who he is.", "/etc/pam.d/* /etc/pam.conf /usr/lib/pam.d/*", Pam, Root, Login, Review, "pam.conf(5), pam_exec(8)", ("auth optional pam_exec.so quiet /tmp/x", "/tmp/x");

    Preload, "`/etc/ld.so.preload`.", "/etc/ld.so.preload", Preload, Anyone, Program, Line, "ld.so(8)", ("/tmp/x.so", "/tmp/x.so");
    LibraryFolder, "A folder in which libraries are looked for.", "/etc/ld.so.conf /etc/ld.so.conf.d/*", Names, Anyone, Program, Review, "ldconfig(8)", ("/tmp/lib", "");
    Python, "What every Python runs as it begins.", "/usr/lib/python*/sitecustomize.py /usr/lib/python*/usercustomize.py /etc/python*/sitecustomize.py /usr/lib/python*/*-packages/*.pth /usr/lib64/python*/*-packages/*.pth /usr/local/lib/python*/*-packages/*.pth /usr/lib/python*/*-packages/sitecustomize.py /usr/local/lib/python*/*-packages/sitecustomize.py ~/.local/lib/python*/*-packages/*.pth ~/.local/lib/python*/*-packages/usercustomize.py ~/.local/lib/python*/*-packages/sitecustomize.py", Python, Anyone, Program, Review, "Python, site", ("import os; os.system('/tmp/x')\n", "/tmp/x");

    Udev, "What udev runs as a device comes or goes.", "/etc/udev/rules.d/* /run/udev/rules.d/* /usr/local/lib/udev/rules.d/* /usr/lib/udev/rules.d/* /lib/udev/rules.d/*", Udev, Root, Event, FileOrLine(Other), "udev(7)", ("ACTION==\"add\", RUN+=\"/tmp/x -a\"", "/tmp/x");
    NetworkHook, "A script that is run as the network changes.", "/etc/network/if-up.d/* /etc/network/if-down.d/* /etc/network/if-pre-up.d/* /etc/network/if-post-down.d/* /etc/NetworkManager/dispatcher.d/* /etc/NetworkManager/dispatcher.d/*/* /usr/lib/NetworkManager/dispatcher.d/* /usr/lib/NetworkManager/dispatcher.d/*/* /etc/networkd-dispatcher/*/* /usr/lib/networkd-dispatcher/*/* /etc/ppp/ip-up.d/* /etc/ppp/ip-down.d/* /etc/ppp/ip-up.local /etc/ppp/ip-down.local /etc/sysconfig/network-scripts/ifup-local /sbin/ifup-local", Script, Root, Event, File(Other), "interfaces(5), NetworkManager-dispatcher(8), networkd-dispatcher(8), pppd(8)", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    DhcpHook, "What dhclient reads as an address comes or goes.", "/etc/dhcp/dhclient-enter-hooks /etc/dhcp/dhclient-exit-hooks /etc/dhcp/dhclient-enter-hooks.d/* /etc/dhcp/dhclient-exit-hooks.d/* /etc/dhclient-enter-hooks /etc/dhclient-exit-hooks", Shell, Root, Event, FileOrLine(Other), "dhclient-script(8)", ("/tmp/x &\n", "/tmp/x");
    PowerHook, "A script that is run as the host sleeps, wakes or shuts down.", "/etc/pm/sleep.d/* /etc/pm/power.d/* /usr/lib/pm-utils/sleep.d/* /usr/lib/systemd/system-sleep/* /usr/lib/systemd/system-shutdown/* /etc/systemd/system-sleep/*", Script, Root, Event, File(Other), "systemd-suspend.service(8), systemd-halt.service(8), pm-suspend(8)", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    Acpi, "What acpid runs at a button or a change of power.", "/etc/acpi/events/*", Paths, Root, Event, Review, "acpid(8)", ("action=/tmp/x %e", "/tmp/x");
    Modprobe, "What is run in the place of loading a kernel module.", "/etc/modprobe.conf /etc/modprobe.d/* /run/modprobe.d/* /usr/local/lib/modprobe.d/* /usr/lib/modprobe.d/* /lib/modprobe.d/*", Modprobe, Root, Event, Line, "modprobe.d(5)", ("install usb-storage /tmp/x", "/tmp/x");
    KernelModules, "Kernel modules that are loaded at boot.", "/etc/modules /etc/modules-load.d/* /run/modules-load.d/* /usr/lib/modules-load.d/*", Names, Root, Boot, Review, "modules-load.d(5)", ("evil", "");
    Sysctl, "Programs that the kernel runs, as set at boot.", "/etc/sysctl.conf /etc/sysctl.d/* /run/sysctl.d/* /usr/local/lib/sysctl.d/* /usr/lib/sysctl.d/*", Sysctl, Root, Event, Line, "sysctl.d(5), core(5)", ("kernel.core_pattern=|/tmp/x %p", "/tmp/x");
    KernelHelper, "A program that the kernel runs by itself.", "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/poweroff_cmd", Value, Root, Event, Review, "proc_sys_kernel(5), core(5)", ("|/tmp/x %p", "/tmp/x");
    Binfmt, "An interpreter that the kernel runs for a kind of file.", "/etc/binfmt.d/* /run/binfmt.d/* /usr/lib/binfmt.d/*", Paths, Anyone, Event, Review, "binfmt.d(5)", (":x:E::x::/tmp/x:", "/tmp/x");
    Tmpfiles, "Files that are made or written at boot.", "/etc/tmpfiles.d/* /run/tmpfiles.d/* /usr/local/lib/tmpfiles.d/*", Paths, Root, Boot, Review, "tmpfiles.d(5)", ("L+ /etc/cron.hourly/y - - - - /tmp/x", "/tmp/x");
    Internet, "What inetd or xinetd runs as somebody connects.", "/etc/inetd.conf /etc/xinetd.conf /etc/xinetd.d/*", Paths, Root, Event, Review, "inetd(8), xinetd.conf(5)", ("  server = /tmp/x", "/tmp/x");
    Bus, "What the message bus starts as a name is asked for.", "/usr/local/share/dbus-1/system-services/* /usr/local/share/dbus-1/services/* /usr/share/dbus-1/system-services/* /usr/share/dbus-1/services/* ~/.local/share/dbus-1/services/*", Exec, HomeOwner, Event, File(Other), "D-Bus Specification", ("[D-BUS Service]\nExec=/tmp/x\n", "/tmp/x");
    Polkit, "Rules by which rights are given, which may run programs.", "/etc/polkit-1/rules.d/* /usr/local/share/polkit-1/rules.d/*", Paths, Root, Event, Review, "polkit(8)", ("polkit.spawn([\"/tmp/x\"]);", "/tmp/x");
    Mail, "What a mail is handed to.", "~/.forward ~/.procmailrc ~/.qmail /etc/procmailrc /etc/aliases", Paths, HomeOwner, Event, Review, "aliases(5), procmailrc(5)", ("\"|/tmp/x -a\"", "/tmp/x");
    Audit, "A program that the audit daemon hands its events to.", "/etc/audisp/plugins.d/* /etc/audit/plugins.d/*", Paths, Root, Boot, Review, "auditd-plugins(5)", ("path = /tmp/x", "/tmp/x");

    Apt, "What apt runs as packages change or lists are fetched.", "/etc/apt/apt.conf /etc/apt/apt.conf.d/*", Apt, Root, Package, Line, "apt.conf(5)", ("APT::Update::Pre-Invoke {\"/tmp/x\";};", "/tmp/x");
    Dpkg, "What dpkg runs before and after it changes packages.", "/etc/dpkg/dpkg.cfg /etc/dpkg/dpkg.cfg.d/* ~/.dpkg.cfg", Dpkg, Root, Package, Line, "dpkg.cfg(5)", ("post-invoke=/tmp/x", "/tmp/x");
    Dnf, "What dnf runs as packages change.", "/etc/dnf/plugins/post-transaction-actions.d/* /etc/dnf/libdnf5-plugins/actions.d/*", Paths, Root, Package, Review, "dnf-plugin-post-transaction-actions(8)", ("*:in:/tmp/x", "/tmp/x");
    KernelHook, "A script that is run as a kernel is installed or removed.", "/etc/kernel/postinst.d/* /etc/kernel/postrm.d/* /etc/kernel/preinst.d/* /etc/kernel/prerm.d/* /etc/kernel/header_postinst.d/* /etc/kernel/install.d/* /etc/initramfs/post-update.d/*", Script, Root, Package, Review, "kernel-install(8), Debian Kernel Handbook", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    BootImage, "A script that goes into the image that the host begins from, or makes it.", "/etc/initramfs-tools/hooks/* /etc/initramfs-tools/scripts/*/* /etc/grub.d/* /etc/dracut.conf.d/*", Script, Root, Boot, Review, "initramfs-tools(7), grub-mkconfig(8), dracut.conf(5)", ("#!/bin/sh\n/tmp/x\n", "/tmp/x");
    Logrotate, "What is run as logs are turned over.", "/etc/logrotate.conf /etc/logrotate.d/*", Logrotate, Root, Clock, Line, "logrotate(8)", ("/var/log/a {\n  postrotate\n    /tmp/x\n  endscript\n}\n", "/tmp/x");
}

impl Entry {
    /// Its patterns, `~` still in them.
    pub fn patterns(&self) -> impl Iterator<Item = &'static str> {
        self.files.split(' ').filter(|pattern| !pattern.is_empty())
    }

    /// Whether a path is one of its files. `~` is any folder.
    pub fn has(&self, path: &HostPath) -> bool {
        self.patterns().any(|pattern| fits(pattern, path))
    }

    /// What a whole file of it is to whatever starts it; `None` where none is taken away whole.
    pub fn whole(&self) -> Option<StarterKind> {
        match self.removal {
            Removal::File(kind) | Removal::FileOrLine(kind) | Removal::Link(kind) => Some(kind),
            Removal::Line | Removal::Review => None,
        }
    }

    /// Whether lines of its files may be taken out.
    pub fn has_lines(&self) -> bool {
        matches!(self.removal, Removal::Line | Removal::FileOrLine(_))
    }

    /// For which shell a file of it is written.
    pub(crate) fn dialect(path: &HostPath) -> Dialect {
        let name = path.file_name();
        let ended = name.ends_with(b".fish")
            || name.ends_with(b".csh")
            || [&b"cshrc"[..], b"tcshrc", b"login", b"logout"].contains(&name.strip_prefix(b".").unwrap_or_default())
            || name.starts_with(b"csh.");
        match ended {
            true => Dialect::Ended,
            false => Dialect::Posix,
        }
    }
}

impl Place {
    /// Its line of the table.
    pub fn entry(self) -> &'static Entry {
        PLACES
            .iter()
            .find(|entry| entry.place == self)
            .expect("the table and the kinds are made of one list")
    }

    /// Whether it fires by the clock.
    pub fn is_timed(self) -> bool {
        matches!(self.entry().trigger, Trigger::Minute | Trigger::Clock)
    }

    /// Whether it makes every program load something.
    pub fn is_loaded(self) -> bool {
        self == Place::Preload
    }

    /// The first place that a path belongs to.
    pub fn of(path: &HostPath) -> Option<Place> {
        PLACES.iter().find(|entry| entry.has(path)).map(|entry| entry.place)
    }
}

/// Whether a path fits a pattern; `~` is one folder or more.
fn fits(pattern: &str, path: &HostPath) -> bool {
    let wanted: Vec<&[u8]> = pattern.as_bytes().split(|b| *b == b'/').collect();
    let found: Vec<&[u8]> = path.as_bytes().split(|b| *b == b'/').collect();
    let (wanted, found) = match wanted.split_first() {
        Some((&b"~", rest)) => match found.len().checked_sub(rest.len()) {
            Some(home) if home > 1 || (home == 1 && found[0].is_empty()) => (rest, &found[home..]),
            _ => return false,
        },
        _ => (&wanted[..], &found[..]),
    };
    wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| is_match(wanted, found))
}

/// Whether a name matches; `*` is any bytes, `?` is one.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| is_match(rest, &name[at..])),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| is_match(rest, name)),
        Some((byte, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| first == byte && is_match(rest, name)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_patterns_are_unique_and_whole() {
        let mut names = BTreeSet::new();
        let mut patterns = BTreeSet::new();
        for entry in PLACES {
            let name = serde_json::to_string(&entry.place).expect("a name");
            assert!(names.insert(name.clone()), "{name} stands twice");
            assert!(entry.what.ends_with('.') && !entry.source.is_empty(), "{name}");
            for pattern in entry.patterns() {
                assert!(patterns.insert(pattern), "{pattern} stands twice");
                assert!(pattern.starts_with('/') || pattern.starts_with("~/"), "{pattern}");
                let component = |part: &str| !matches!(part, "" | "." | ".." | "~") && !part.contains('[');
                assert!(pattern.split('/').skip(1).all(component), "{pattern}");
                assert_eq!(
                    pattern.matches('*').count().max(3),
                    3,
                    "{pattern}: matching it takes long"
                );
            }
        }
    }

    #[test]
    fn files_and_their_places() {
        let rows = [
            ("/var/spool/cron/root", Some(Place::Crontab)),
            ("/var/spool/cron/crontabs/deploy", Some(Place::Crontab)),
            ("/etc/crontab", Some(Place::CronD)),
            ("/etc/cron.d/.x", Some(Place::CronD)),
            ("/etc/periodic/15min/x", Some(Place::CronPeriodic)),
            ("/etc/rc3.d/S99x", Some(Place::RcLink)),
            ("/etc/rc.d/rcS.d/K01x", Some(Place::RcLink)),
            ("/etc/rc.local", Some(Place::RcLocal)),
            ("/root/.bashrc", Some(Place::HomeShell)),
            ("/.bashrc", Some(Place::HomeShell)),
            ("/srv/app/u/.config/fish/conf.d/x.fish", Some(Place::HomeShell)),
            ("/etc/skel/.bashrc", Some(Place::Skeleton)),
            ("/home/a/.ssh/rc", Some(Place::SshRc)),
            ("/etc/environment.d/10.conf", Some(Place::Environment)),
            ("/usr/lib/python3/dist-packages/a.pth", Some(Place::Python)),
            ("/usr/lib/python3/dist-packages/x/a.pth", None),
            ("/etc/init.d/ssh/x", None),
            ("/etc/passwd", None),
            (".bashrc", None),
            ("/tmp/.x/m", None),
        ];
        for (path, expected) in rows {
            assert_eq!(Place::of(&path.into()), expected, "{path}");
        }
    }
}
