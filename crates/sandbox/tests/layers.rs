//! Each required layer is taken from a real sandbox, one at a time: the trial says so, and nothing is called
//! contained.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use tidegate_sandbox::bubblewrap::Bubblewrap;
use tidegate_sandbox::report::Report;
use tidegate_sandbox::trial::Trial;

/// Tries the sandbox that this bubblewrap makes.
fn trial(bubblewrap: &Bubblewrap) -> Report {
    let place = Place::new();
    let trial = Trial::prepare(&place.root.join("outside/trial")).expect("prepared");
    let mut spec = place.spec();
    spec.workspace = trial.workspace();
    let arguments = vec!["tidegate-inside".to_owned(), "probe".to_owned(), trial.targets()];
    match place.run_program(bubblewrap, &spec, "/proc/self/exe", arguments) {
        Ok((layers, printed)) => trial.judge(layers, false, &printed),
        Err(error) => Report::failed(error.to_string()),
    }
}

#[test]
fn a_whole_sandbox_has_every_required_layer() {
    let report = trial(&Bubblewrap::find().expect("bubblewrap is installed"));
    assert!(report.is_contained(), "{:?}", report.problem());
}

/// Only root makes a program that is taken for the system's.
mod as_root {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tidegate_sandbox::report::Layer;

    use super::*;

    /// Stands for a bubblewrap, and leaves something out. It reads the arguments from the descriptor that
    /// it is given, and hands changed ones on.
    const LEAVES_OUT: &str = "#!/usr/bin/python3
import ctypes, os, struct, sys
descriptor = int(sys.argv[2])
words = os.pread(descriptor, 1 << 20, 0).split(b'\\0')[:-1]

def without(name, count):
    while name in words:
        at = words.index(name)
        del words[at:at + count]

def refuse_system_call(number):
    # Loads the number, and refuses this one as a kernel does that has none of that name.
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000)]
    code = b''.join(struct.pack('HBBI', *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(buffer))
    library = ctypes.CDLL(None, use_errno=True)
    assert library.prctl(38, 1, 0, 0, 0) == 0
    assert library.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0) == 0

LEFT_OUT
arguments = os.memfd_create('arguments', 0)
os.write(arguments, b''.join(word + b'\\0' for word in words))
os.lseek(arguments, 0, os.SEEK_SET)
os.execv('BWRAP', ['bwrap', '--args', str(arguments), *sys.argv[3:]])
";

    fn report_without(left_out: &str) -> Report {
        let real = Bubblewrap::find().expect("bubblewrap is installed");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("bwrap");
        let text = LEAVES_OUT.replace("LEFT_OUT", left_out).replace("BWRAP", &real.path.to_string_lossy());
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("changed");
        trial(&Bubblewrap { path, ..real })
    }

    #[test]
    #[ignore = "needs root"]
    fn a_stand_in_that_leaves_out_nothing_makes_a_whole_sandbox() {
        let report = report_without("");
        assert!(report.is_contained(), "{:?}", report.problem());
    }

    #[test]
    #[ignore = "needs root"]
    fn a_sandbox_without_a_layer_is_not_called_contained() {
        for (layer, left_out) in [
            (Layer::Namespaces, "without(b'--unshare-net', 1)"),
            (Layer::Namespaces, "without(b'--unshare-pid', 1)"),
            (
                Layer::Mounts,
                "at = words.index(b'--remount-ro'); words[at:at] = [b'--ro-bind', b'/sys', b'/sys']",
            ),
            (Layer::Filter, "without(b'--seccomp', 2)"),
            (Layer::FileRules, "refuse_system_call(444)"),
        ] {
            let report = report_without(left_out);

            assert!(!report.is_contained(), "{layer:?}, {left_out}");
            assert!(!report.holds(layer), "{layer:?}, {left_out}: {report:?}");
            let problem = report.problem().expect("it has one");
            assert!(problem.starts_with(layer.name()), "{left_out}: {problem}");
        }
    }
}
