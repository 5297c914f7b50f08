#!/usr/bin/env python3
"""The command on N hosts over SSH beside other tools, in one run: CPU time of both sides, wall time, peak memory.

One sshd on 127.0.0.1, started here with keys of its own, is all hosts: each host is a name of an ssh_config. What a tool
and its children use is counted by a cgroup, what sshd and its children use by another. Tools that are not installed are
left out and named. Nothing outside a temporary folder is changed. Needs root, ssh, sshd, ssh-keygen, cgroup v2 and Python 3.9.

    cargo build --release && cargo build --profile worker -p deminer-worker
    bench/fleet.py [--hosts 1,10,50] [--runs 3] [--command target/.../release/deminer]

W1: one question on each host (`true`; of Deminer `host.facts`).
W2: twenty steps that look: as one script of the host's programs, as twenty steps of a playbook. They do not see the
same: a script lists names, Deminer also hashes every executable and asks which package owns it.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "target" / "x86_64-unknown-linux-gnu"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
PORT = 22822

SCRIPT = """
ps -eo pid,ppid,user,stat,args; ss -tunap; cat /etc/crontab; find /etc/cron.d /etc/cron.daily -type f
find /etc/systemd/system /lib/systemd/system -name '*.service'; cat /etc/ld.so.preload; cat /etc/passwd /etc/shadow
cat /etc/sudoers; who; last -n 50; uptime; df; free; lsattr -d /tmp /var/tmp; find /tmp /var/tmp /dev/shm -maxdepth 2
cat /proc/mounts; find / -xdev -maxdepth 3 -name authorized_keys; uname -a; cat /etc/rc.local; sha256sum /bin/ls
"""

ONE = """playbook: one
version: 1
phases:
  gather:
    - {id: facts, use: host.facts}
"""

TWENTY = """playbook: twenty
version: 1
vars:
  sample: {type: duration, default: 1s, help: time over which CPU use is measured}
phases:
  gather:
    - {id: facts, use: host.facts}
    - {id: resources, use: host.resources, with: {sample: 1s}}
    - {id: processes, use: process.list, with: {sample: 1s}}
    - {id: tree, use: process.tree, with: {processes: "{{ steps.processes.rows }}"}}
    - {id: sockets, use: net.sockets}
    - {id: ports, use: net.ports}
    - {id: containers, use: container.list}
    - {id: users, use: account.list}
    - {id: logins, use: login.list, on_error: continue}
    - {id: keys, use: key.list}
    - {id: sudoers, use: sudoers.list}
    - {id: cron, use: cron.list}
    - {id: boot, use: startup.list}
    - {id: preload, use: preload.list}
    - {id: units, use: unit.list}
    - {id: drops, use: file.drops}
    - {id: flags, use: file.flags}
    - {id: open, use: process.files, with: {pids: [1]}}
    - {id: held, use: file.holders, with: {files: [/etc/passwd]}}
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: "{{ steps.processes.rows }}", sockets: "{{ steps.sockets.rows }}", rules: rules.yml}
"""


class Group:
    """A cgroup of ours: what its processes used, and how much memory they hold."""

    def __init__(self, name):
        self.path = CGROUPS / f"deminer-bench-{os.getpid()}-{name}"
        self.path.mkdir()

    def join(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def cpu(self):
        lines = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(lines["usage_usec"]) / 1e6

    def pss(self):
        total = 0
        for pid in (self.path / "cgroup.procs").read_text().split():
            try:
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
            except OSError:
                pass
        return total / 1024

    def end(self):
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Farm:
    """An sshd on loopback and the folder that all of it stands in."""

    def __init__(self, folder, hosts):
        self.folder, self.group = folder, Group("hosts")
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known").write_text(f"[127.0.0.1]:{PORT} {key}\nbench {key}\n")
        (folder / "sshd_config").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPermitRootLogin prohibit-password\nMaxStartups 500\nMaxSessions 500\n"
        )
        self.config = folder / "config"
        names = " ".join(f"h{n}" for n in range(hosts))
        self.config.write_text(
            f"Host {names}\n  HostName 127.0.0.1\n  Port {PORT}\n  User root\n  IdentityFile {folder}/user\n"
            f"  IdentitiesOnly yes\n  HostKeyAlias bench\n  UserKnownHostsFile {folder}/known\n  LogLevel ERROR\n"
            "  KexAlgorithms curve25519-sha256\n"
        )
        os.makedirs("/run/sshd", exist_ok=True)
        command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"]
        self.sshd = subprocess.Popen(command, preexec_fn=self.group.join, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if subprocess.run(["ssh", "-F", self.config, "h0", "true"], stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit("sshd does not answer")

    def end(self):
        self.sshd.terminate()
        self.sshd.wait()
        self.group.end()


def measure(farm, command, runs):
    """Medians of wall seconds, CPU seconds of the tool and of the hosts, and the peak of the tool's memory in MiB."""
    seen = []
    for _ in range(runs):
        group, peak, over = Group("tool"), [0.0], threading.Event()

        def watch():
            while not over.wait(0.2):
                peak[0] = max(peak[0], group.pss())

        watching = threading.Thread(target=watch)
        hosts, began = farm.group.cpu(), time.monotonic()
        tool = subprocess.Popen(
            command, preexec_fn=group.join, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        watching.start()
        _, said = tool.communicate()
        wall = time.monotonic() - began
        over.set()
        watching.join()
        if tool.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nended with {tool.returncode}: {said.decode(errors='replace')[-800:]}")
        # What a connection leaves is the hosts' too.
        time.sleep(0.5)
        seen.append((wall, group.cpu(), farm.group.cpu() - hosts, peak[0]))
        group.end()
    return [statistics.median(column) for column in zip(*seen)]


def tools(farm, count, options):
    """Of each work and tool its command; `None` where the tool is not installed."""
    folder, config = farm.folder, farm.config
    names = [f"h{n}" for n in range(count)]
    runs = folder / "runs"
    ours = [options.command, "plan"]
    over = [*names, "--ssh-config", config, "--runs", runs, "--at-once", str(options.at_once), "--format", "json"]
    each = f'for h in {" ".join(names)}; do ssh -F {config} $h "$0" & done; wait'

    def there(name, command):
        return command if shutil.which(name) else None

    hosts = ",".join(names)
    (folder / "hosts").write_text("".join(f"{name}\n" for name in names))
    ssh_options = f"-F {config}"
    for work, script, playbook in (("W1", "true", "one.yml"), ("W2", SCRIPT.replace("\n", "; ").strip("; ") + "; true", "twenty.yml")):
        yield work, "ssh, one process a host", ["bash", "-c", each, script]
        yield work, "clush", there("clush", ["clush", "-q", "-f", str(options.at_once), "-o", ssh_options, "-w", hosts, script])
        yield work, "pdsh", there("pdsh", ["env", f"PDSH_SSH_ARGS_APPEND={ssh_options}", "pdsh", "-R", "ssh", "-f", str(options.at_once), "-w", hosts, script])
        ansible = ["env", "ANSIBLE_HOST_KEY_CHECKING=True", "ansible", "-i", folder / "hosts", "all", "-f", str(options.at_once)]
        ansible += [f"--ssh-common-args={ssh_options}", "-m", "shell", "-a", script]
        yield work, "ansible, one shell task", there("ansible", ansible)
        yield work, f"deminer, {playbook}", [*ours, folder / playbook, *over]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,10,50")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--command", type=pathlib.Path, default=TARGET / "release" / "deminer")
    options = parser.parse_args()
    counts = [int(count) for count in options.hosts.split(",")]
    slim = TARGET / "worker" / "deminer-worker"
    with tempfile.TemporaryDirectory(prefix="deminer-bench-") as name:
        folder = pathlib.Path(name)
        command = folder / "deminer"
        shutil.copy(options.command, command)
        if slim.exists():
            shutil.copy(slim, folder / "deminer-worker")
        options.command = command
        (folder / "one.yml").write_text(ONE)
        (folder / "twenty.yml").write_text(TWENTY)
        shutil.copy(ROOT / "playbooks" / "rules" / "linux.yml", folder / "rules.yml")
        farm = Farm(folder, max(counts))
        missing = set()
        try:
            print("| work | hosts | tool | wall s | CPU s, tool | CPU s, hosts | CPU ms a host, both | peak MiB, tool |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for count in counts:
                for work, tool, command in tools(farm, count, options):
                    if command is None:
                        missing.add(tool.split(",")[0])
                        continue
                    wall, own, hosts, peak = measure(farm, command, options.runs)
                    both = (own + hosts) / count * 1000
                    print(f"| {work} | {count} | {tool} | {wall:.2f} | {own:.2f} | {hosts:.2f} | {both:.0f} | {peak:.0f} |", flush=True)
        finally:
            farm.end()
        if missing:
            print(f"\nnot installed: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
