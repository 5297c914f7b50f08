#!/usr/bin/env python3
"""The command on N hosts over SSH beside other tools, in one run: CPU time of both sides, wall time, peak memory.

The hosts are addresses of 127.0.0.0/8 behind sshds that are started here with keys of their own. What a tool and its children
use is counted by a cgroup, what the sshds and their children use by another. Tools that are not there are left out and named.
Nothing outside a temporary folder is changed. Needs root, ssh, sshd, ssh-keygen, procps, iproute2, cgroup v2 and Python 3.9.

    cargo build --release && cargo build --profile worker -p deminer-worker --bin deminer-worker
    cargo bench --no-run -p deminer-engine --bench ssh
    apt-get install clustershell pdsh
    for tool in parallel-ssh pyinfra ansible-core; do python3 -m venv PEERS/$tool && PEERS/$tool/bin/pip install $tool; done
    python3 -m venv PEERS/mitogen && PEERS/mitogen/bin/pip install ansible-core mitogen
    bench/fleet.py --peers PEERS [--hosts 1,10,50,200] [--runs 3] [--only WORDS] [--pieces target/.../deps/ssh-...]

W1: one question on each host (`true`; of Deminer `host.facts`).
W2: twenty steps that look, the programs of STEPS. As one script, whose result is one; or one by one, each with a result of its
own. Of Deminer too: the same programs by `command.read`, and twenty steps of its own, which see more than the programs do: every
executable is hashed and the package that owns it is asked for.
"""

import argparse
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "target" / "x86_64-unknown-linux-gnu"
UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")
CGROUPS = UNIFIED if UNIFIED.exists() else UNIFIED.parent
PORT = 22822

# An sshd listens on so many addresses.
LISTENS = 16

# Tools that start processes of their own for each host and step are not asked for more hosts than these.
MOST = {"ansible": 10, "mitogen": 10}

STEPS = [
    "ps -eo pid,ppid,user,stat,args",
    "ss -tunap",
    "cat /etc/crontab",
    "find /etc/cron.d /etc/cron.daily -type f",
    "find /etc/systemd/system /lib/systemd/system -name '*.service'",
    "find /etc -maxdepth 1 -name ld.so.preload",
    "getent passwd",
    "cat /etc/group",
    "cat /etc/shadow",
    "sha256sum /bin/ls",
    "who",
    "uptime",
    "free",
    "cat /proc/mounts",
    "find /dev/shm -maxdepth 1",
    "find /root -maxdepth 2 -name authorized_keys",
    "uname -a",
    "cat /proc/loadavg",
    "find /etc/init.d -type f",
    "sha256sum /usr/sbin/sshd",
]

ONE = """playbook: one
version: 1
phases:
  gather:
    - {id: facts, use: host.facts}
"""

OWN = """playbook: own
version: 1
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

PSSH = """import sys
from pssh.clients import ParallelSSHClient
hosts, key, port, command = sys.argv[1].split(","), sys.argv[2], int(sys.argv[3]), sys.argv[4]
client = ParallelSSHClient(hosts, user="root", port=port, pkey=key, pool_size=len(hosts), allow_agent=False, num_retries=1)
output = client.run_command(command)
for host in output:
    list(host.stdout), list(host.stderr)
sys.exit(any(host.exit_code for host in output))
"""


def programs():
    """The playbook of the same programs, each a step."""
    text = "playbook: programs\nversion: 1\nphases:\n  gather:\n"
    for number, step in enumerate(STEPS):
        words = shlex.split(step)
        found = shutil.which(words[0]) or sys.exit(f"{words[0]} is not installed")
        argv = ", ".join(f"'{word}'" for word in [found, *words[1:]])
        text += f"    - {{id: s{number}, use: command.read, with: {{argv: [{argv}]}}}}\n"
    return text


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

    def clear(self):
        """Ends what a tool left running behind it: masters that persist."""
        (self.path / "cgroup.kill").write_text("1")

    def end(self):
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Farm:
    """sshds on loopback and the folder that all of it stands in."""

    def __init__(self, folder, hosts):
        self.folder, self.group = folder, Group("hosts")
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        self.names = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(hosts)]
        (folder / "known").write_text("".join(f"[{name}]:{PORT} {key}\n" for name in self.names))
        self.config = folder / "config"
        self.config.write_text(
            f"Host *\n  Port {PORT}\n  User root\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
            "  LogLevel ERROR\n  KexAlgorithms curve25519-sha256\n"
        )
        os.makedirs("/run/sshd", exist_ok=True)
        self.sshds = []
        for first in range(0, hosts, LISTENS):
            config = folder / f"sshd_config.{first}"
            listens = "".join(f"ListenAddress {name}\n" for name in self.names[first : first + LISTENS])
            config.write_text(
                f"Port {PORT}\n{listens}HostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\nUseDNS no\n"
                f"AuthorizedKeysFile {folder}/authorized_keys\nPermitRootLogin prohibit-password\nPrintMotd no\n"
                "PrintLastLog no\nMaxStartups 500\nMaxSessions 500\nSubsystem sftp internal-sftp\n"
                # What the account starts at a login is no part of it.
                f"SetEnv HOME={folder}\n"
            )
            command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", config]
            self.sshds.append(subprocess.Popen(command, preexec_fn=self.group.join, stderr=subprocess.DEVNULL))
        for name in self.names[::LISTENS]:
            self.wait(name)

    def wait(self, name):
        for _ in range(100):
            if subprocess.run(["ssh", "-F", self.config, name, "true"], stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit("sshd does not answer")

    def end(self):
        for sshd in self.sshds:
            sshd.terminate()
        for sshd in self.sshds:
            sshd.wait()
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
        group.clear()
        group.end()
    return [statistics.median(column) for column in zip(*seen)]


def tools(farm, count, options):
    """Of each work and tool its command; `None` where the tool is not there."""
    folder, config, peers = farm.folder, farm.config, options.peers
    names = farm.names[:count]
    hosts = ",".join(names)
    at_once = str(options.at_once)
    over = [*names, "--ssh-config", config, "--runs", folder / "runs", "--at-once", at_once, "--format", "json"]
    each = f'for h in {" ".join(names)}; do ssh -F {config} $h "$0" & done; wait'
    inventory = folder / f"hosts-{count}.py"
    inventory.write_text(
        f"hosts = ({names!r}, dict(ssh_user='root', ssh_port={PORT}, ssh_key='{folder}/user', ssh_known_hosts_file='{folder}/known',"
        " ssh_strict_host_key_checking='yes', ssh_allow_agent=False, ssh_look_for_keys=False, ssh_config_file='/dev/null'))\n"
    )
    (folder / f"hosts-{count}").write_text("".join(f"{name}\n" for name in names))

    def installed(name, *command):
        return [*command] if shutil.which(name) else None

    def peer(venv, program, *command):
        found = peers and peers / venv / "bin" / program
        return [found, *command] if found and found.exists() else None

    def ansible(venv, deploy, *settings):
        command = peer(venv, "ansible-playbook", "-i", folder / f"hosts-{count}", "-f", at_once, folder / deploy)
        if command is None:
            return None
        plugins = next((peers / venv / "lib").glob("python3*/site-packages/ansible_mitogen/plugins/strategy"), "")
        environment = {
            "ANSIBLE_SSH_ARGS": f"-F {config} -o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": folder / "masters",
            "ANSIBLE_SSH_PIPELINING": "True",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_HOME": folder / "ansible",
            "ANSIBLE_REMOTE_TMP": folder / "ansible-remote",
            "ANSIBLE_PRIVATE_KEY_FILE": folder / "user",
            "ANSIBLE_REMOTE_USER": "root",
            "ANSIBLE_REMOTE_PORT": PORT,
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }
        if settings:
            environment |= {"ANSIBLE_STRATEGY_PLUGINS": plugins, "ANSIBLE_STRATEGY": settings[0]}
        return ["env", *(f"{name}={value}" for name, value in environment.items()), *command]

    for work, steps in (("W1", ["true"]), ("W2", STEPS)):
        script = "; ".join(steps)
        deploy = folder / f"{work}.py"
        deploy.write_text(
            "from pyinfra.operations import server\n"
            + "".join(f"server.shell(name='{n}', commands=[{step!r}])\n" for n, step in enumerate(steps))
        )
        tasks = "".join(f"    - {{name: 's{n}', ansible.builtin.shell: {{cmd: \"{step}\"}}}}\n" for n, step in enumerate(steps))
        (folder / f"{work}.yml").write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
        how = "" if work == "W1" else ", one script"
        yield work, "ssh, a process a host" + how, ["bash", "-c", each, script]
        yield work, "clush" + how, installed("clush", "clush", "-q", "-f", at_once, "-o", f"-F {config}", "-w", hosts, script)
        pdsh = ["env", f"PDSH_SSH_ARGS_APPEND=-F {config}", "pdsh", "-R", "ssh", "-f", at_once, "-w", hosts, script]
        yield work, "pdsh" + how, installed("pdsh", *pdsh)
        (folder / "many.py").write_text(PSSH)
        pssh = [folder / "many.py", hosts, folder / "user", str(PORT), script]
        yield work, "parallel-ssh" + how, peer("parallel-ssh", "python", *pssh)
        how = "" if work == "W1" else ", step by step"
        yield work, "pyinfra" + how, peer("pyinfra", "pyinfra", "-y", "--parallel", at_once, inventory, deploy)
        yield work, "ansible" + how, ansible("ansible-core", f"{work}.yml")
        yield work, "mitogen" + how, ansible("mitogen", f"{work}.yml", "mitogen_linear")
        ours = [options.command, "plan"]
        if work == "W1":
            yield work, "deminer", [*ours, folder / "one.yml", *over]
            yield work, "deminer, --plain-upload", [*ours, folder / "one.yml", *over, "--plain-upload"]
        else:
            allowed = ["--allow", "command.read"]
            yield work, "deminer, the same programs, step by step", [*ours, folder / "programs.yml", *over, *allowed]
            yield work, "deminer, its own steps, step by step", [*ours, folder / "own.yml", *over]


def pieces(farm, program, folder):
    """What a host costs to be reached and given a worker, and what one more question costs: CPU ms of both sides."""

    def run(times, questions, form):
        before = farm.group.cpu()
        command = [program, "--bench", farm.names[0], farm.config, folder, str(times), "curve25519-sha256", str(questions), form]
        tool = Group("pieces")
        said = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=tool.join).stdout.splitlines()
        time.sleep(0.5)
        own = tool.cpu() * 1000
        tool.clear()
        tool.end()
        return said, own, (farm.group.cpu() - before) * 1000

    script = folder / "logins.sh"
    script.write_text(f"for n in $(seq 40); do ssh -F {farm.config} {farm.names[0]} true; done")
    before, tool = farm.group.cpu(), Group("logins")
    subprocess.run(["sh", script], check=True, stdin=subprocess.DEVNULL, preexec_fn=tool.join)
    time.sleep(0.5)
    print(f"\nssh HOST true: {tool.cpu() * 25:.1f} ms of ours, {(farm.group.cpu() - before) * 25:.1f} ms of the host's")
    tool.end()
    for form in ("gzip", "plain"):
        said, own, hosts = run(40, 0, form)
        print(f"{form}: {said[0]}; {own / 40:.1f} ms of ours with ssh, {hosts / 40:.1f} ms of the host's with sshd")
    said, own_more, hosts_more = run(40, 8000, form)
    each = f"{(own_more - own) / 8000:.4f} ms of ours with ssh, {(hosts_more - hosts) / 8000:.4f} ms of the host's with sshd"
    print(f"{said[1]}; {each}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,10,50,200")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--peers", type=pathlib.Path, help="the folder with a virtual environment for each tool of Python")
    parser.add_argument("--only", default="", help="tools and works that have one of these words, by commas")
    parser.add_argument("--pieces", type=pathlib.Path, help="the built benchmark `ssh`: what one host costs, piece by piece")
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
        (folder / "own.yml").write_text(OWN)
        (folder / "programs.yml").write_text(programs())
        shutil.copy(ROOT / "playbooks" / "rules" / "linux.yml", folder / "rules.yml")
        farm = Farm(folder, max(counts))
        missing = set()
        try:
            print("| work | hosts | tool | wall s | CPU s, tool | CPU s, hosts | CPU ms a host, both | peak MiB, tool |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for count in counts:
                for work, tool, command in tools(farm, count, options):
                    short = tool.split(",")[0]
                    if not any(word in f"{work} {tool}" for word in options.only.split(",")):
                        continue
                    if command is None:
                        missing.add(short)
                        continue
                    if count > MOST.get(short, count):
                        continue
                    wall, own, hosts, peak = measure(farm, command, options.runs)
                    both = (own + hosts) / count * 1000
                    print(f"| {work} | {count} | {tool} | {wall:.2f} | {own:.2f} | {hosts:.2f} | {both:.0f} | {peak:.0f} |", flush=True)
            if options.pieces:
                pieces(farm, options.pieces, folder)
        finally:
            farm.end()
        if missing:
            print(f"\nnot there: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
