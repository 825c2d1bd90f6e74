//! What people write, and what they are told.

use std::io::Write;

use super::*;

fn load(args: &[&str]) -> Result<Settings, String> {
    let args = std::iter::once("holdfast-dataplane").chain(args.iter().copied());
    Settings::load(args.map(OsString::from)).map_err(|e| e.to_string())
}

fn load_file(yaml: &str, args: &[&str]) -> Result<Settings, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let mut all = vec!["--config", &path];
    all.extend(args);
    load(&all)
}

#[test]
fn the_command_is_well_formed() {
    Settings::command().debug_assert();
}

#[test]
fn defaults_are_as_documented() {
    let settings = load(&[]).unwrap();
    assert_eq!(settings.http.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.admin.to_string(), "127.0.0.1:9080");
    assert_eq!(settings.drain_window, Duration::from_secs(240));
    assert_eq!(settings.drain_deadline, Duration::from_secs(300));
    assert!(!settings.exit_with_parent);
    assert!(settings.worker_count() >= 1);
}

#[test]
fn a_flag_beats_the_file_and_the_file_beats_the_default() {
    let settings = load_file("http: 127.0.0.1:0\nworkers: 3\n", &["--workers", "2"]).unwrap();
    assert_eq!(settings.http.port(), 0);
    assert_eq!(settings.worker_count(), 2);
    assert_eq!(settings.admin.port(), 9080);
}

#[test]
fn a_switch_may_stand_in_the_file_and_be_overruled() {
    assert!(load_file("exit-with-parent: true", &[]).unwrap().exit_with_parent);
    assert!(
        !load_file("exit-with-parent: true", &["--exit-with-parent=false"])
            .unwrap()
            .exit_with_parent
    );
    assert!(load(&["--exit-with-parent"]).unwrap().exit_with_parent);
}

#[test]
fn every_setting_has_a_variable_and_help() {
    for argument in Settings::command().get_arguments() {
        let long = argument.get_long().unwrap_or_default();
        if matches!(long, "" | "help" | "version") {
            continue;
        }
        let variable = format!("HOLDFAST_{}", long.replace('-', "_").to_uppercase());
        assert_eq!(
            argument.get_env().and_then(|e| e.to_str()),
            Some(variable.as_str())
        );
        assert!(argument.get_help().is_some(), "--{long} has no help");
    }
}

#[test]
fn mistakes_are_named_with_the_remedy() {
    let cases: &[(Result<Settings, String>, &[&str])] = &[
        (
            load(&["--drain-window", "240"]),
            &["must name its unit; write '240s' or '240ms'"],
        ),
        (
            load(&["--drain-window", "soon"]),
            &["must be a duration such as '250ms'"],
        ),
        (load(&["--header-timeout", "0s"]), &["must be longer than zero"]),
        (
            load(&["--drain-deadline", "1m"]),
            &["`drain-window` (4m)", "write --drain-deadline 4m or more"],
        ),
        (
            load(&["--max-head-size", "1k"]),
            &["must be between '8k' and '16m'"],
        ),
        (
            load(&["--max-body-size", "1t"]),
            &["must be a number of bytes such as '65536' or '64k'"],
        ),
        (
            load(&["--trusted-proxies", "10.0.0.0/8,load-balancer"]),
            &["'load-balancer'", "must be a network such as '10.0.0.0/8'"],
        ),
        (
            load(&["--trusted-proxies", "10.1.2.3/8"]),
            &["has bits beyond its prefix; write '10.0.0.0/8'"],
        ),
        (
            load(&["--proxy-protocol"]),
            &["`proxy-protocol` needs `trusted-proxies`"],
        ),
        // More than a semaphore counts.
        (
            load(&["--max-connections", "18446744073709551615"]),
            &["--max-connections", "too large"],
        ),
        (load(&["--drain-windw", "1m"]), &["--drain-window"]),
        (
            load_file("drain_windw: 1m", &[]),
            &["unknown setting `drain_windw`", "did you mean `drain-window`?"],
        ),
        (load_file("qqq: 1", &[]), &["unknown setting `qqq`", "--help"]),
        (
            load_file("config: other.yaml", &[]),
            &["unknown setting `config`"],
        ),
        (
            load_file("drain-window: 240", &[]),
            &["`drain-window`: '240' is not valid: must name its unit"],
        ),
        (
            load_file("log-level: loud", &[]),
            &["`log-level`: 'loud' is not valid: must be one of error, warn"],
        ),
        (
            load_file("workers: 0", &["--workers", "1"]),
            &["`workers`: '0' is not valid"],
        ),
        (load_file("http: [1]", &[]), &["`http` must be one value"]),
        (load_file("- a", &[]), &["must be a map"]),
        (
            load(&["--config", "/nonexistent/x.yaml"]),
            &["cannot read `/nonexistent/x.yaml`"],
        ),
    ];
    for (result, expected) in cases {
        let message = result.as_ref().expect_err(expected[0]);
        for part in *expected {
            assert!(message.contains(part), "{part:?} is missing in {message:?}");
        }
    }
}

#[test]
fn durations_are_dumped_as_they_are_written() {
    let dump = serde_json::to_value(load(&["--drain-window", "90s"]).unwrap()).unwrap();
    assert_eq!(dump["drain-window"], "1m 30s");
    assert_eq!(dump["log-format"], "text");
}

#[test]
fn proxies_in_front_are_named_by_networks() {
    let settings = load_file(
        "trusted-proxies: 10.0.0.0/8, 192.0.2.7\nproxy-protocol: true\n",
        &[],
    )
    .unwrap();
    let networks: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert!(settings.proxy_protocol);
    assert!(load(&[]).unwrap().trusted_proxies.is_empty());
}

#[test]
fn http2_on_the_plain_port_is_asked_for() {
    assert!(!load(&[]).unwrap().h2c);
    assert!(load(&["--h2c"]).unwrap().h2c);
    assert!(!load(&["--h2c=false"]).unwrap().h2c);
    assert!(load_file("h2c: true", &[]).unwrap().h2c);
}
