use super::*;
use crate::workspace::{MissingDirectories, Workspace};

#[test]
fn a_file_that_changed_since_it_was_read_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().canonicalize().expect("canonical");
    let protected = Protected::default();
    let workspace = Workspace::open(&root).expect("opened");
    let changes: [fn(&std::path::Path); 3] = [
        |file| std::fs::write(file, "longer than before").expect("written"),
        |file| std::fs::remove_file(file).expect("removed"),
        |file| {
            std::fs::write(file.with_extension("new"), "old").expect("written");
            std::fs::rename(file.with_extension("new"), file).expect("renamed");
        },
    ];
    for change in changes {
        let file = root.join("file");
        std::fs::write(&file, "old").expect("written");
        let place = workspace.place("file", &protected, MissingDirectories::Refuse).expect("found");
        let (_, version) = read_whole(&place, &protected).expect("read");
        change(&file);
        let before = std::fs::read_to_string(&file).ok();
        let replaced = Replacement::default().replace(&place, "edited", Some(version), &protected);
        assert!(matches!(replaced, Err(FileError::Changed { .. })));
        assert_eq!(std::fs::read_to_string(&file).ok(), before);
        assert!(std::fs::read_dir(&root).expect("listed").count() <= 1, "nothing may be left behind");
    }
}
