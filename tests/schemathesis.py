"""Asks a real server what its openapi.json allows, and what it does not: `make schemathesis`.

schemathesis comes from PyPI into build/schemathesis. Not part of `make test`: it takes minutes. Left out: the
two routes that take protobuf only (the tool has no serializer for it; tests/contract/test_pushes.py has them), the pull
that waits for seconds, and the route that lies below a share link.
"""

import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "schemathesis"
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from served import Server  # noqa: E402

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = ("/debug/pprof/profile", "/api/v1/share", "/push.v1.PusherService/Push", "/v1development/profiles")


def tool():
    program = HOME / "bin" / "schemathesis"
    if not program.exists():
        venv.create(HOME, with_pip=True)
        subprocess.run([HOME / "bin" / "pip", "install", "-q", "schemathesis==4.32.5"], check=True)
    return program


def main():
    program = tool()
    server = Server("--upload-rate", "1000000")
    try:
        server.upload(b"main;work 7\nmain;rest 3\n")
        command = [program, "run", server.url + "/openapi.json", "--url", server.url, "--checks", CHECKS, "--max-examples", "15",
                   "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--request-timeout", "20"]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        return subprocess.run(command).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
