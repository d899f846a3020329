//! Shows the native dialogs with sample content, for looking at them and for their tests:
//! `dialogs KIND [--unasked]` opens one, number 1. Lines on standard input go on:
//! `open NUMBER KIND`, `unasked NUMBER KIND`, `update NUMBER KIND`, `refresh NUMBER SECONDS TEXT`,
//! `present NUMBER`, `close NUMBER`. A refresh sets the time left and how many wait behind. Each
//! outcome is printed as a line. The end of the input ends it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a terminal")]

mod opened;
mod pairing;
mod requests;
mod samples;

use std::io::BufRead;
use std::process::ExitCode;
use std::sync::Arc;

use gtk::glib;
use tidegate_desktop::dialog::{NativeDialogs, native_dialogs};
use tidegate_desktop_core::dialog::{Attention, DialogId, DialogOutcome};
use tokio::sync::mpsc;

fn main() -> ExitCode {
    if let Err(error) = gtk::init() {
        eprintln!("there is no display: {error}");
        return ExitCode::FAILURE;
    }
    let (outcomes, mut ended) = mpsc::unbounded_channel();
    let dialogs: Arc<dyn NativeDialogs> = native_dialogs(outcomes).into();
    glib::MainContext::default().spawn_local(async move {
        while let Some((id, outcome, _press)) = ended.recv().await {
            println!("{} {}", id.0, words(&outcome));
        }
    });

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(kind) = arguments.first() {
        let verb = if arguments.iter().any(|argument| argument == "--unasked") { "unasked" } else { "open" };
        if let Err(problem) = obey(&*dialogs, &format!("{verb} 1 {kind}")) {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    }
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match obey(&*dialogs, &line) {
                // On the thread of the dialogs, which receives things in order: it has obeyed by then,
                // and every outcome from before is printed.
                Ok(()) => {
                    glib::idle_add_once(move || println!("done {line}"));
                }
                Err(problem) => println!("{problem}"),
            }
        }
        glib::idle_add_once(gtk::main_quit);
    });
    gtk::main();
    ExitCode::SUCCESS
}

fn obey(dialogs: &dyn NativeDialogs, line: &str) -> Result<(), String> {
    let mut words = line.splitn(3, ' ');
    let verb = words.next().unwrap_or_default();
    let number = words.next().and_then(|number| number.parse().ok()).ok_or("a number is missing")?;
    let rest = words.next().unwrap_or_default();
    let id = DialogId(number);
    let sample = || samples::sample(rest).ok_or_else(|| format!("kinds: {}", samples::KINDS.join(" ")));
    match verb {
        "open" => dialogs.open(id, sample()?, Attention::Asked),
        "unasked" => dialogs.open(id, sample()?, Attention::Unasked),
        "update" => dialogs.update(id, sample()?),
        "refresh" => {
            let (seconds, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            let seconds = seconds.parse().map_err(|_| "the seconds left are missing")?;
            dialogs.refresh(id, behind.to_owned(), samples::from_now(seconds));
        }
        "present" => dialogs.present(id),
        "close" => dialogs.close(id),
        _ => return Err(format!("unknown: {verb}")),
    }
    Ok(())
}

/// The outcome with what was typed in it: the keys of samples are no secrets.
fn words(outcome: &DialogOutcome) -> String {
    match outcome {
        DialogOutcome::ModelKey { id, base_url, key } => {
            format!("ModelKey {{ id: {id:?}, base_url: {base_url:?}, key: {:?} }}", key.reveal())
        }
        other => format!("{other:?}"),
    }
}
