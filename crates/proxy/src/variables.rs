//! How the programs of a command learn of the proxy.

use std::net::SocketAddr;

/// The variables by which common programs find the proxy that listens at `address` inside the
/// sandbox. Servers that a command starts for itself on loopback are reached without it.
#[must_use]
pub fn variables(address: SocketAddr) -> Vec<(&'static str, String)> {
    const NOT_PROXIED: &str = "localhost,127.0.0.1,::1";
    let url = format!("http://{address}");
    let (host, port) = (address.ip(), address.port());
    let java = format!(
        "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.*|[::1]"
    );
    // Both cases: programs differ in which they read, and some read the lower case only.
    let urls = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "npm_config_proxy",
        "npm_config_https_proxy",
    ];
    let mut variables: Vec<_> = urls.into_iter().map(|name| (name, url.clone())).collect();
    variables.extend([
        ("NO_PROXY", NOT_PROXIED.to_owned()),
        ("no_proxy", NOT_PROXIED.to_owned()),
        // Node's own fetch heeds the others only with it.
        ("NODE_USE_ENV_PROXY", "1".to_owned()),
        ("JAVA_TOOL_OPTIONS", java),
    ]);
    variables
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_usual_variable_names_the_proxy_once() {
        let list = variables(([127, 0, 0, 1], 3128).into());
        let variables: BTreeMap<_, _> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();

        assert_eq!(variables.len(), list.len());
        for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "npm_config_https_proxy"] {
            assert_eq!(variables[name], "http://127.0.0.1:3128", "{name}");
        }
        assert_eq!(variables["no_proxy"], "localhost,127.0.0.1,::1");
        assert_eq!(variables["NODE_USE_ENV_PROXY"], "1");
        assert!(
            variables["JAVA_TOOL_OPTIONS"].contains("-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128")
        );
    }
}
