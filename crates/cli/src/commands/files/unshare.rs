//! `files unshare`: copies of its own for a folder.

use std::path::Path;

use tidegate_protocol::payload::files::SharedFolder;
use tidegate_protocol::payload::surface_params::UnshareFolder;
use tidegate_protocol::rpc::TidegateFilesUnshare;

use super::super::Context;
use super::super::approvals::push_barred;
use crate::client::Wire;
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    folder: Option<&Path>,
    yes: bool,
) -> Result<(), Failure> {
    let folder = folder.unwrap_or(Path::new("."));
    let unknown = |error| Failure::Failed(format!("{} cannot be used: {error}", folder.display()));
    let real = folder.canonicalize().map_err(unknown)?;
    let real = real.to_str().ok_or_else(|| {
        Failure::Failed(format!("{} has a name that is not UTF-8, so it cannot be used", folder.display()))
    })?;
    let mut params = UnshareFolder { folder: real.to_owned(), apply: false };
    let shared = context.client.ask::<TidegateFilesUnshare>(&params).await?;
    if shared.files == 0 {
        return context.show(&shared, || nothing_to_do(&shared));
    }
    context.confirm(&render(&shared), "Unshare them?", yes).await?;
    params.apply = true;
    let unshared = context.client.ask::<TidegateFilesUnshare>(&params).await?;
    context.show(&unshared, || done(&unshared))
}

fn nothing_to_do(shared: &SharedFolder) -> String {
    let mut text = "No file in this folder is shared with other folders.\n".to_owned();
    push_places(&mut text, "These could not be looked into, so commands only read them", &shared.places);
    text
}

fn render(shared: &SharedFolder) -> String {
    let mut text = format!(
        "{} of this folder are shared with other folders (hard links).\n\nFolder\n",
        files(shared.files)
    );
    push_barred(&mut text, &shared.folder);
    push_places(&mut text, "They are in", &shared.places);
    let mebibytes = shared.bytes.div_ceil(1 << 20);
    text.push_str(&format!(
        "\nThe folder gets copies of its own, which take {mebibytes} MiB. Other folders keep theirs.\nCommands of agents \
         can then change the copies.\n"
    ));
    text
}

fn done(shared: &SharedFolder) -> String {
    let mut text = format!("Unshared {}.\n", files(shared.files));
    if shared.left > 0 {
        text.push_str(&format!(
            "{} could not be: not readable, of another user, or changed meanwhile.\n",
            files(shared.left)
        ));
        push_places(&mut text, "Among them", &shared.left_files);
    }
    text
}

fn push_places(text: &mut String, heading: &str, places: &[String]) {
    if places.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    places.iter().for_each(|place| push_barred(text, place));
}

fn files(count: u64) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
