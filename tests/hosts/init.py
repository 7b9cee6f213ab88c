"""What is process 1 of a test host: it mounts what is the host's own, runs sshd, reaps, waits.

Called as ``init.py NAME FOLDER SEEN…``, already in new PID, mount, network, UTS and IPC namespaces.
Prints one line when sshd listens. It ends when its standard input does, that is with the
process that made it, and the kernel then ends whatever still runs on the host.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SSHD = """\
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def own_folders(name: str, folder: Path, seen: list[Path]) -> None:
    """A /root over the machine's, and a /tmp, /dev/shm, /run and /etc/hosts of its own.

    What lies in the machine's /tmp and is to be seen is carried over into the host's.
    """
    scratch = folder / name
    for part in ("tmp", "home"):
        (scratch / part).mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=1g", "home", str(scratch / "home"))
    upper, work = scratch / "home/upper", scratch / "home/work"
    upper.mkdir(mode=0o700)
    work.mkdir()
    layers = f"upperdir={upper},workdir={work}"
    mount("-t", "overlay", "home", "-o", f"lowerdir=/root,{layers}", "/root")
    mount("-t", "tmpfs", "run", "/run")
    Path("/run/sshd").mkdir(mode=0o755)
    mount("--bind", str(folder / "hosts"), "/etc/hosts")
    mount("-t", "tmpfs", "-o", "size=1g", "shm", "/dev/shm")
    kept = {folder: Path("/run/lab")}
    kept |= {path: Path(f"/run/seen{at}") for at, path in enumerate(seen) if in_tmp(path)}
    for path, aside in kept.items():
        aside.mkdir(mode=0o755)
        mount("--rbind", str(path), str(aside))
    mount("--bind", str(scratch / "tmp"), "/tmp")
    for path, aside in kept.items():
        path.mkdir(parents=True, exist_ok=True)
        mount("--move", str(aside), str(path))


def in_tmp(path: Path) -> bool:
    return path.is_relative_to("/tmp")


def start_sshd(name: str, folder: Path) -> None:
    config = folder / name / "sshd_config"
    config.write_text(SSHD.format(folder=folder))
    with open(folder / name / "sshd.log", "w") as log:
        subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=log)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", 22), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def reap(*_: object) -> None:
    """Take the exit codes of orphans: ``ray down`` waits for processes to be gone."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main(name: str, folder: Path, seen: list[Path]) -> None:
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    own_folders(name, folder, seen)
    start_sshd(name, folder)
    signal.signal(signal.SIGCHLD, reap)
    reap()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]])
