//! Ordinary work in the sandbox, each kind with the class and need that it takes. `docs/commands.md` names
//! what does not work.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;
#[path = "common/work.rs"]
mod work;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::Fixture;
use work::{fails, installed, person, project, works};

/// Makes the workspace a repository with one commit.
fn repository(fixture: &Fixture) {
    fixture.file("home/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.org\n");
    person(fixture, "git init -q . && git add . && git commit -q -m first");
}

#[tokio::test]
async fn looking_at_a_repository_needs_nothing() {
    let fixture = project();
    repository(&fixture);
    works(&fixture, &[], "echo more >> greeting.txt; git status --short; git diff; git log; git show").await;
}

#[tokio::test]
async fn changing_the_workspaces_repository_needs_git() {
    let fixture = project();
    repository(&fixture);
    let work = "echo more >> greeting.txt; git add .; git commit -q -m second; git branch topic
        git switch -q topic; echo x >> greeting.txt; git stash -q; git stash pop -q";
    fails(&fixture, &[], work).await;
    works(&fixture, &["git"], work).await;
}

#[tokio::test]
async fn new_repositories_are_made_and_cloned() {
    let fixture = project();
    let work = "git init -q new; cd new; echo a > a; git add a
        git -c user.name=a -c user.email=a@example.org commit -q -m first
        mkdir -p .vscode; echo '{}' > .vscode/settings.json; cd ..; rm -r new/.vscode
        git clone -q new copy; git clone -q --bare new bare.git || true; cat copy/a";
    works(&fixture, &[], work).await;
}

#[tokio::test]
async fn compilers_make_and_shell_work_as_usual() {
    if !installed("gcc") || !installed("make") {
        return;
    }
    let fixture = project();
    fixture.file("workspace/main.c", "#include <stdio.h>\nint main(void) { puts(\"made\"); return 0; }\n");
    fixture.file("workspace/Makefile", "main: main.c\n\tgcc -o main main.c\n");
    let work = "make; test \"$(./main)\" = made
        printf '#!/bin/sh\\necho from a script\\n' > script.sh; chmod +x script.sh; ./script.sh | grep -q script
        bash -c 'diff <(echo a) <(echo a)'
        tar cf all.tar main.c Makefile; mkdir out; tar xf all.tar -C out; test -e out/main.c
        flock lock true; script -q -c 'echo typed' /dev/null | grep -q typed
        ps aux | grep -q 'ps aux'; top -b -n 1 | grep -q PID; free > /dev/null; df . > /dev/null
        echo text | less > /dev/null";
    works(&fixture, &[], work).await;
}

#[tokio::test]
async fn databases_in_the_workspace_keep_a_write_ahead_log() {
    let fixture = project();
    let work = "python3 -c '
import sqlite3
one = sqlite3.connect(\"data.sqlite\"); two = sqlite3.connect(\"data.sqlite\")
assert one.execute(\"PRAGMA journal_mode=wal\").fetchone() == (\"wal\",)
one.execute(\"CREATE TABLE t (n)\"); one.execute(\"INSERT INTO t VALUES (7)\"); one.commit()
assert two.execute(\"SELECT n FROM t\").fetchone() == (7,)'";
    works(&fixture, &[], work).await;
}

#[tokio::test]
async fn python_works_with_processes_and_servers_of_its_own() {
    let fixture = project();
    fixture.file(
        "workspace/test_server.py",
        "import asyncio, http.server, multiprocessing, threading, unittest, urllib.request

def square(number):
    return number * number

class Work(unittest.TestCase):
    def test_server(self):
        server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/greeting.txt').read()
        self.assertEqual(page, b'hello\\n')
    def test_pool(self):
        with multiprocessing.Pool(2) as pool:
            self.assertEqual(pool.map(square, range(4)), [0, 1, 4, 9])
    def test_asyncio(self):
        async def work():
            process = await asyncio.create_subprocess_exec('echo', 'x', stdout=asyncio.subprocess.PIPE)
            return (await process.communicate())[0]
        self.assertEqual(asyncio.run(work()), b'x\\n')

if __name__ == '__main__':
    unittest.main()
",
    );
    works(
        &fixture,
        &[],
        "/usr/bin/python3 test_server.py; /usr/bin/python3 -m venv --without-pip env; env/bin/python -V",
    )
    .await;
}

#[tokio::test]
async fn node_works_with_processes_and_network_interfaces() {
    if !installed("node") {
        return;
    }
    let fixture = project();
    let work = "node -e '
const { fork, execSync } = require(\"child_process\"), { Worker } = require(\"worker_threads\");
require(\"os\").networkInterfaces();
if (execSync(\"echo x\").toString() !== \"x\\n\") process.exit(3);
new Worker(\"process.exit(0)\", { eval: true }).on(\"exit\", (code) => { if (code) process.exit(4); });'";
    works(&fixture, &[], work).await;
}

/// Servers that meet their clients at socket files.
#[tokio::test]
async fn programs_that_meet_at_socket_files_need_sockets() {
    let fixture = project();
    fixture.file(
        "workspace/manager.py",
        "import multiprocessing
if __name__ == '__main__':
    with multiprocessing.Manager() as manager:
        values = manager.dict()
        values['a'] = 1
        assert values['a'] == 1
    context = multiprocessing.get_context('forkserver')
    process = context.Process(target=print, args=('served',))
    process.start(); process.join(); assert process.exitcode == 0
",
    );
    fails(&fixture, &[], "/usr/bin/python3 manager.py").await;
    works(&fixture, &["sockets"], "/usr/bin/python3 manager.py").await;
}

#[tokio::test]
async fn debuggers_work_on_what_they_start() {
    if !installed("strace") {
        return;
    }
    let fixture = project();
    works(&fixture, &[], "strace -f -o trace /bin/echo x; grep -q execve trace").await;
    works(&fixture, &[], "strace -p 1 2>&1 | grep -q 'not permitted'").await;
}

#[tokio::test]
async fn what_the_sandbox_cannot_have_fails() {
    let fixture = project();
    fails(&fixture, &[], "mkfifo pipe").await;
    // A workspace below /tmp, as this one is, has /tmp held to what a workspace may have.
    let pipe =
        "mkfifo /dev/shm/pipe; (echo x > /dev/shm/pipe) & read -r line < /dev/shm/pipe; test $line = x";
    works(&fixture, &[], pipe).await;
    fails(&fixture, &[], "cp /bin/true own; chmod u+s own; test -u own").await;
    fails(&fixture, &[], "bwrap --unshare-user --ro-bind / / true").await;
    fails(&fixture, &[], "unshare --user true").await;
}

/// Debian's packages of cargo and rustc, which every sandbox has as `/usr`.
#[tokio::test]
async fn cargo_builds_without_a_network() {
    if !Path::new("/usr/bin/cargo").exists() {
        println!("skipped: Debian's cargo is not installed");
        return;
    }
    let fixture = project();
    fixture.file(
        "workspace/Cargo.toml",
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    );
    fixture.file("workspace/src/main.rs", "fn main() { println!(\"built\"); }\n");
    let work = "/usr/bin/cargo build --offline; test \"$(target/debug/small)\" = built
        /usr/bin/cargo test --offline; /usr/bin/cargo new --quiet another; ls another/.git";
    works(&fixture, &[], work).await;
}

/// A mirror of package tools that every public name leads to.
struct Mirror {
    fixture: Fixture,
    server: Child,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Mirror {
    fn start() -> Self {
        let mut fixture = project();
        let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs this");
        let script = Path::new(&manifest).join("../proxy/tests/mirror.py");
        let files = fixture.root.join("outside/mirror");
        std::fs::create_dir(&files).expect("a directory");
        let mut server = Command::new("/usr/bin/python3")
            .arg(script)
            .current_dir(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let output = server.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("its port");
        let port: u16 = line.split_whitespace().next().and_then(|port| port.parse().ok()).expect("a port");
        fixture.server = Some(([127, 0, 0, 1], port).into());
        Self { fixture, server }
    }
}

const MIRROR: [&str; 1] = ["network:mirror.example.com"];

#[tokio::test]
async fn a_clone_needs_the_host() {
    let mirror = Mirror::start();
    let work = "git clone -q http://mirror.example.com/project.git; ls project/.git";
    fails(&mirror.fixture, &[], work).await;
    works(&mirror.fixture, &MIRROR, work).await;
}

#[tokio::test]
async fn a_fetch_needs_git_and_the_host() {
    let mirror = Mirror::start();
    let fixture = &mirror.fixture;
    repository(fixture);
    let work =
        "git fetch -q http://mirror.example.com/project.git main:theirs; git log theirs | grep -q first";
    fails(fixture, &MIRROR, work).await;
    fails(fixture, &["git"], work).await;
    works(fixture, &["git", MIRROR[0]], work).await;
}

#[tokio::test]
async fn updating_a_registered_submodule_needs_git_and_the_host() {
    let mirror = Mirror::start();
    let place = &mirror.fixture;
    let both = ["git", MIRROR[0]];
    repository(place);
    // As it is after a clone without submodules.
    person(
        place,
        "git -c protocol.file.allow=always submodule --quiet add ../outside/mirror/project.git lib
         git config -f .gitmodules submodule.lib.url http://mirror.example.com/project.git
         git add . && git commit -q -m second
         git submodule --quiet deinit -f lib && rm -r .git/modules",
    );
    let told = fails(place, &both, "git submodule --quiet update --init").await;
    assert!(told.contains("could not write config file"), "{told}");

    person(place, "git submodule --quiet init");
    let work = "git submodule --quiet update; git status; ls lib/.git";
    fails(place, &MIRROR, work).await;
    fails(place, &["git"], work).await;
    works(place, &both, work).await;
}

#[tokio::test]
async fn pip_needs_the_index() {
    if !installed("pip") {
        return;
    }
    let mirror = Mirror::start();
    let work = "/usr/bin/python3 -m pip install --target lib --index-url http://mirror.example.com/simple \
        --trusted-host mirror.example.com tiny; test -e lib/tiny.py";
    fails(&mirror.fixture, &[], &format!("{work} --retries 0")).await;
    works(&mirror.fixture, &MIRROR, work).await;
}

#[tokio::test]
async fn npm_needs_the_registry() {
    if !installed("npm") {
        return;
    }
    let mirror = Mirror::start();
    let work = "npm install --registry=http://mirror.example.com/ --no-audit --no-fund --fetch-retries=0 tiny
        test -e node_modules/tiny/package.json";
    fails(&mirror.fixture, &[], work).await;
    works(&mirror.fixture, &MIRROR, work).await;
}
