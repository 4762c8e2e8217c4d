"""A bare Debian 12 in a folder, to install and run things in as on a new machine.

Needs root and debootstrap. Each command has mount and process namespaces of its own: what it mounts and
starts is gone with it. Of this machine only the ways to the network are carried in: name service,
certificates, proxy settings, where packages come from.
"""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BASE = ROOT / "build/debian-base.tar"
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
CARRIED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NPM_CONFIG_REGISTRY")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive",
               "NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
INSIDE = '''
root=$1; shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys" 2>/dev/null || true
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm"; mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
exec chroot "$root" "$@"
'''


def why_not():
    """What this machine lacks, or None."""
    if os.geteuid() != 0:
        return "a chroot needs root"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    return None


def make_base():
    if BASE.exists():
        return
    BASE.parent.mkdir(exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", f"--make-tarball={BASE}.part", "bookworm", str(BASE.parent / "debian-base")],
                   check=True, stdout=subprocess.DEVNULL)
    os.replace(f"{BASE}.part", BASE)


class Chroot:
    def __init__(self, folder):
        self.root = pathlib.Path(folder)
        self.environment = dict(ENVIRONMENT, **{k: os.environ[k] for k in CARRIED if k in os.environ})
        self.folder = "/"
        self.user = None
        make_base()
        subprocess.run(["debootstrap", "--variant=minbase", f"--unpack-tarball={BASE}", "bookworm", str(self.root)], check=True,
                       stdout=subprocess.DEVNULL)
        for path in NETWORK:
            if os.path.exists(path):
                target = self.root / path[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        for certificate in pathlib.Path("/usr/local/share/ca-certificates").glob("*.crt"):
            (self.root / "usr/local/share/ca-certificates").mkdir(parents=True, exist_ok=True)
            shutil.copy(certificate, self.root / "usr/local/share/ca-certificates")
        # A machine's clock may be away from the archive's.
        (self.root / "etc/apt/apt.conf.d/99clock").write_text('Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n')

    def command(self, *words):
        """The words for subprocess that run `words` inside, in the folder and as the user that are set."""
        env = [f"{k}={v}" for k, v in self.environment.items()]
        inner = ["/usr/bin/env", "-i", "-C", self.folder, *env]
        if self.user:
            inner += ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", INSIDE, "sh", str(self.root), *inner, *words]

    def run(self, *words, timeout=600):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout, errors="replace")
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def has(self, path):
        return os.path.lexists(self.root / path.lstrip("/"))
