//! `bare-server PORT HELLO_BYTES HEALTH_BYTES`: see `tidegate_testkit::bare_server`.

use anyhow::Context as _;
use tidegate_testkit::bare_server::{ReplySizes, bind, serve};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str| -> anyhow::Result<usize> {
        let text = arguments.next().with_context(|| {
            format!("usage: bare-server PORT HELLO_BYTES HEALTH_BYTES; {name} is missing")
        })?;
        text.parse().with_context(|| format!("{name} must be a number"))
    };
    let port = u16::try_from(number("PORT")?).context("PORT must be at most 65535")?;
    let sizes = ReplySizes { hello: number("HELLO_BYTES")?, health: number("HEALTH_BYTES")? };
    // The runtime that the gateway has, too.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Ok(serve(bind(port).await?, sizes).await?) })
}
