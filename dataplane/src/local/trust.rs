//! Whom to believe about where a request comes from.

use std::net::IpAddr;

use ipnet::IpNet;

/// The proxies in front. Without any, nothing is believed but the socket.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Their networks.
    pub proxies: Vec<IpNet>,
    /// Their connections begin with a PROXY header.
    pub proxy_protocol: bool,
}

impl Trust {
    /// True for the address of a proxy in front.
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.proxies.iter().any(|network| network.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_trusted() {
        let trust = Trust {
            proxies: ["10.0.0.0/8", "2001:db8::7/128"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            proxy_protocol: false,
        };
        for (ip, expected) in [
            ("10.1.2.3", true),
            // An IPv4 client of a socket for both families.
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("2001:db8::7", true),
            ("2001:db8::8", false),
        ] {
            assert_eq!(trust.is_proxy(ip.parse().unwrap()), expected, "{ip}");
        }
        assert!(!Trust::default().is_proxy([127, 0, 0, 1].into()));
    }
}
