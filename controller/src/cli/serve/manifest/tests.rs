//! What is written must be what the same program accepts without a remark.

use routetable::Route;

use super::*;
use crate::compile::{Compiled, Settings, compile};
use crate::source::files::load;

fn compiled(text: &str) -> Compiled {
    let run_dir = tempfile::tempdir().expect("folder");
    let folder = write(run_dir.path(), "routes", "a.yaml", text).expect("write");
    let loaded = load(&folder).expect("load");
    let compiled = compile(&loaded.world, &Settings::for_files());
    assert_eq!(loaded.report(&compiled), [], "{text}");
    compiled
}

fn weights(route: &Route) -> Vec<u32> {
    route.backends.iter().map(|backend| backend.weight).collect()
}

#[test]
fn one_app_gets_every_host_and_path() {
    for address in ["127.0.0.1:3000", "[::1]:3000"] {
        let address: SocketAddr = address.parse().expect("address");
        let table = compiled(&to("localhost:3000", address)).table;
        let hosts: Vec<String> = table
            .routes
            .values()
            .flat_map(|route| &route.hosts)
            .map(ToString::to_string)
            .collect();
        assert_eq!(hosts, ["*"]);
        let sets: Vec<SocketAddr> = table
            .endpoint_sets
            .values()
            .flat_map(|set| &set.endpoints)
            .map(|endpoint| endpoint.address)
            .collect();
        assert_eq!(sets, [address]);
    }
}

#[test]
fn the_edits_that_the_demo_invites_work() {
    let (blue, green) = (
        "127.0.0.1:4001".parse().expect("address"),
        "127.0.0.1:4002".parse().expect("address"),
    );
    let text = demo(blue, green);
    let table = compiled(&text).table;
    assert_eq!(
        table
            .routes
            .values()
            .map(|route| weights(route))
            .collect::<Vec<_>>(),
        [[1, 1]]
    );

    let table = compiled(&text.replacen("weight: 1}", "weight: 0}", 1)).table;
    assert_eq!(
        table
            .routes
            .values()
            .map(|route| weights(route))
            .collect::<Vec<_>>(),
        [[0, 1]]
    );
    let uncomment = |line: &str| {
        line.strip_prefix("  # ")
            .map_or(line.to_owned(), |rest| format!("  {rest}"))
    };
    let edited: String = text.lines().map(|line| uncomment(line) + "\n").collect();
    assert_eq!(compiled(&edited).table.routes.len(), 2, "{edited}");
    let table = compiled(&text.replace("idle: 1h", "idle: 5s")).table;
    assert!(
        table
            .routes
            .values()
            .all(|route| route.timeouts.idle == Some(std::time::Duration::from_secs(5)))
    );
}
