//! Serves with a throw-away state directory; for trying things by hand.
fn main() {
    let mut args = std::env::args().skip(1);
    let state_dir = args.next().map(Into::into);
    let port = args.next().and_then(|port| port.parse().ok());
    let options = tidegate_host::ServeOptions {
        state_dir,
        port,
        announce: Box::new(|a| if let tidegate_host::Announcement::SharedToken { token } = a { println!("TOKEN {}", token.reveal()) } else { println!("{a:?}") }),
        ..Default::default()
    };
    if let Err(error) = tidegate_host::serve(options) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
