//! Starting at login. It is off until a person chooses it.

use std::path::PathBuf;

/// Why the choice could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AutostartError {
    /// The system refused.
    #[error("starting at login could not be changed: {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    /// It is not known which program to start.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "never tried there"))]
    #[error("starting at login could not be changed: the path of this program is not known ({0})")]
    Program(String),
    /// There is no way yet.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "there is one"))]
    #[error("Tidegate cannot start at login on this system yet")]
    Unsupported,
}

#[cfg(target_os = "linux")]
pub(crate) use desktop_entry::Autostart;

/// Starting at login, on a system where there is no way yet.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Autostart;

#[cfg(not(target_os = "linux"))]
impl Autostart {
    /// The choice for this program with these arguments.
    pub(crate) fn new(_arguments: Vec<std::ffi::OsString>) -> Self {
        Self
    }

    /// Whether it is on: it never is.
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    /// Whether it is on: it never is.
    pub(crate) fn check(&self) -> bool {
        false
    }

    /// Turns it on or off.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn set(&self, _is_on: bool) -> Result<(), AutostartError> {
        Err(AutostartError::Unsupported)
    }
}

/// A file in the autostart directory (Desktop Application Autostart Specification 0.5).
#[cfg(target_os = "linux")]
mod desktop_entry {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};

    use gtk::glib::{self, KeyFile, KeyFileFlags};

    use super::AutostartError;

    const GROUP: &str = "Desktop Entry";
    const FILE: &str = "tidegate-desktop.desktop";

    /// The choice, as it is on the disk.
    #[derive(Debug, Clone)]
    pub(crate) struct Autostart {
        file: PathBuf,
        /// What the person gave this start: a start at login is the same.
        arguments: Vec<OsString>,
    }

    impl Autostart {
        /// The choice for this program with these arguments.
        pub(crate) fn new(arguments: Vec<OsString>) -> Self {
            Self { file: glib::user_config_dir().join("autostart").join(FILE), arguments }
        }

        /// Whether it is on.
        pub(crate) fn is_on(&self) -> bool {
            self.program_to_start().is_some()
        }

        /// Whether it is on, once more than a glance. A file that names a program that is no longer there, because Tidegate was
        /// moved, is corrected.
        pub(crate) fn check(&self) -> bool {
            let Some(program) = self.program_to_start() else { return false };
            let Ok(own) = own_program() else { return true };
            if program != own && !program.is_file() {
                tracing::warn!(
                    old = %program.display(),
                    new = %own.display(),
                    "Tidegate was moved; what starts it at login is corrected"
                );
                if let Err(error) = self.set(true) {
                    tracing::error!(%error, "Tidegate does not start at login");
                    return false;
                }
            } else if program != own {
                tracing::warn!(
                    starts = %program.display(),
                    this = %own.display(),
                    "another installation of Tidegate starts at login"
                );
            }
            true
        }

        /// Turns it on or off.
        ///
        /// # Errors
        /// When the file cannot be written or removed.
        pub(crate) fn set(&self, is_on: bool) -> Result<(), AutostartError> {
            let failed = |reason: String| AutostartError::File { path: self.file.clone(), reason };
            if !is_on {
                return match std::fs::remove_file(&self.file) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(failed(error.to_string()))
                    }
                    _ => Ok(()),
                };
            }
            let program = own_program().map_err(|error| AutostartError::Program(error.to_string()))?;
            let mut command = quoted(program.as_os_str());
            for argument in &self.arguments {
                command.push(' ');
                command.push_str(&quoted(argument));
            }
            let entry = KeyFile::new();
            entry.set_string(GROUP, "Type", "Application");
            entry.set_string(GROUP, "Name", "Tidegate");
            entry.set_string(GROUP, "Comment", "A gateway for agents on this computer");
            entry.set_string(GROUP, "Exec", &command);
            entry.set_string(GROUP, "Icon", "tidegate-desktop");
            entry.set_boolean(GROUP, "Terminal", false);
            if let Some(directory) = self.file.parent() {
                std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
            }
            // Replaced as a whole: a session that starts now reads the old one or the new one.
            let written = self.file.with_extension("desktop.new");
            std::fs::write(&written, entry.to_data().as_bytes())
                .and_then(|()| std::fs::rename(&written, &self.file))
                .map_err(|error| failed(error.to_string()))
        }

        /// The program in the file, when there is one that a session would start.
        fn program_to_start(&self) -> Option<PathBuf> {
            let entry = KeyFile::new();
            entry.load_from_file(&self.file, KeyFileFlags::NONE).ok()?;
            if entry.boolean(GROUP, "Hidden").unwrap_or(false)
                || !entry.boolean(GROUP, "X-GNOME-Autostart-enabled").unwrap_or(true)
            {
                return None;
            }
            program_of(entry.string(GROUP, "Exec").ok()?.as_str())
        }
    }

    /// This program, by a path that stays: an AppImage is mounted elsewhere at each start.
    fn own_program() -> std::io::Result<PathBuf> {
        match tidegate_host::environment::lookup("APPIMAGE") {
            Some(image) if Path::new(&image).is_absolute() => Ok(PathBuf::from(image)),
            _ => std::env::current_exe(),
        }
    }

    /// A word of a command line (Desktop Entry Specification, "The Exec key").
    fn quoted(word: &OsStr) -> String {
        // A path that is not Unicode cannot be written into such a file, which is UTF-8.
        let word = String::from_utf8_lossy(word.as_bytes());
        let mut quoted = String::from("\"");
        for character in word.chars() {
            match character {
                '"' | '`' | '$' | '\\' => quoted.extend(['\\', character]),
                '%' => quoted.push_str("%%"),
                _ => quoted.push(character),
            }
        }
        quoted.push('"');
        quoted
    }

    /// The program of a command line.
    fn program_of(command: &str) -> Option<PathBuf> {
        let words = glib::shell_parse_argv(command).ok()?;
        let program = words.first()?.as_bytes().to_vec();
        let program = String::from_utf8(program).ok()?;
        Some(PathBuf::from(program.replace("%%", "%")))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proptest::prelude::*;

        fn in_directory(directory: &Path, arguments: &[&str]) -> Autostart {
            Autostart {
                file: directory.join("autostart").join(FILE),
                arguments: arguments.iter().map(OsString::from).collect(),
            }
        }

        #[test]
        fn it_is_off_until_it_is_chosen_and_off_again_after() {
            let directory = tempfile::tempdir().unwrap();
            let autostart = in_directory(directory.path(), &[]);

            assert!(!autostart.check());
            autostart.set(true).unwrap();
            assert!(autostart.check());
            autostart.set(false).unwrap();
            assert!(!autostart.check());
            autostart.set(false).unwrap();
        }

        #[test]
        fn what_the_person_started_it_with_is_kept_whole() {
            let directory = tempfile::tempdir().unwrap();
            let hostile = "/a b/$HOME `id` \"100%\" \\";
            let autostart = in_directory(directory.path(), &["--state-dir", hostile]);

            autostart.set(true).unwrap();

            let entry = KeyFile::new();
            entry.load_from_file(&autostart.file, KeyFileFlags::NONE).unwrap();
            let command = entry.string(GROUP, "Exec").unwrap();
            let words = glib::shell_parse_argv(command.as_str()).unwrap();
            let words: Vec<String> =
                words.iter().map(|word| word.to_str().unwrap().replace("%%", "%")).collect();
            assert_eq!(words[0], std::env::current_exe().unwrap().to_str().unwrap());
            assert_eq!(words[1..], ["--state-dir", hostile]);
        }

        #[test]
        fn a_program_that_was_moved_is_corrected_and_another_installation_is_left() {
            let directory = tempfile::tempdir().unwrap();
            let autostart = in_directory(directory.path(), &[]);
            let other = directory.path().join("other installation");
            std::fs::write(&other, "").unwrap();
            let start = |program: &Path| {
                let entry = KeyFile::new();
                entry.set_string(GROUP, "Exec", &quoted(program.as_os_str()));
                std::fs::create_dir_all(autostart.file.parent().unwrap()).unwrap();
                std::fs::write(&autostart.file, entry.to_data().as_bytes()).unwrap();
            };

            start(&directory.path().join("gone"));
            assert!(autostart.check());
            assert_eq!(autostart.program_to_start(), std::env::current_exe().ok());

            start(&other);
            assert!(autostart.check());
            assert_eq!(autostart.program_to_start(), Some(other));
        }

        #[test]
        fn a_file_that_a_desktop_turned_off_is_off() {
            let directory = tempfile::tempdir().unwrap();
            let autostart = in_directory(directory.path(), &[]);
            for key in ["Hidden=true", "X-GNOME-Autostart-enabled=false"] {
                std::fs::create_dir_all(autostart.file.parent().unwrap()).unwrap();
                std::fs::write(&autostart.file, format!("[{GROUP}]\nExec=/bin/true\n{key}\n")).unwrap();

                assert!(!autostart.check(), "{key}");
            }
        }

        proptest! {
            #[test]
            fn whatever_lies_in_the_file_is_read_without_a_crash(text in any::<String>()) {
                let directory = tempfile::tempdir().unwrap();
                let autostart = in_directory(directory.path(), &[]);
                std::fs::create_dir_all(autostart.file.parent().unwrap()).unwrap();
                std::fs::write(&autostart.file, format!("[{GROUP}]\nExec={text}\n")).unwrap();

                let _ = autostart.program_to_start();
            }

            #[test]
            fn every_word_survives_its_quotes(word in "[^\0]*") {
                let words = glib::shell_parse_argv(quoted(OsStr::new(&word))).unwrap();

                prop_assert_eq!(words[0].to_str().unwrap().replace("%%", "%"), word);
            }
        }
    }
}
