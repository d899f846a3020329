"""A mirror for package tools: a Python index, an npm registry and a git repository, made in the
current directory and served over HTTP and, with a certificate, over TLS. The ports are printed.

Arguments: none, or certificate and key.
"""

import base64
import hashlib
import http.server
import io
import json
import pathlib
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile

WHEEL = "tiny-1.0-py3-none-any.whl"
SCHEME = "https" if sys.argv[1:] else "http"


def make_python_index():
    folder = pathlib.Path("simple/tiny")
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        info = "tiny-1.0.dist-info"
        files = {
            "tiny.py": "",
            f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    (folder / "index.html").write_text(f'<!DOCTYPE html><a href="{WHEEL}">{WHEEL}</a>')


def make_npm_registry():
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        text = json.dumps({"name": "tiny", "version": "1.0.0"}).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    archive = archive.getvalue()
    pathlib.Path("tiny-1.0.0.tgz").write_bytes(archive)
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    version = {
        "name": "tiny",
        "version": "1.0.0",
        "dist": {"tarball": f"{SCHEME}://mirror.example.com/tiny-1.0.0.tgz", "integrity": integrity},
    }
    package = {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    pathlib.Path("tiny").write_text(json.dumps(package))


def make_git_repository():
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    for command in (
        ["init", "--quiet", "work"],
        ["-C", "work", "commit", "--quiet", "--allow-empty", "--message=first"],
        ["clone", "--quiet", "--bare", "work", "project.git"],
        ["-C", "project.git", "update-server-info"],
    ):
        subprocess.run(git + command, check=True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(context):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


make_python_index()
make_npm_registry()
make_git_repository()
ports = [serve(None)]
if sys.argv[1:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    ports.append(serve(context))
print(*ports, flush=True)
# Until its parent closes the other end, or ends.
sys.stdin.read()
