use std::io::Write;

use super::*;

fn load(args: &[&str]) -> Result<Settings, String> {
    let args = ["holdfast-controller"].iter().chain(args).map(OsString::from);
    Settings::load(args).map_err(|error| error.to_string())
}

fn with_file(text: &str, args: &[&str]) -> Result<Settings, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().display().to_string();
    let mut all = vec!["--config", &path];
    all.extend(args);
    load(&all)
}

#[test]
fn the_definition_is_sound_and_every_setting_explained() {
    let command = Settings::command();
    command.clone().debug_assert();
    for argument in command.get_arguments() {
        assert!(argument.get_help().is_some(), "{}", argument.get_id());
    }
}

#[test]
fn a_flag_beats_the_file_and_the_file_beats_the_default() {
    let text = "files: /from-file\nlog-level: debug\nexit-with-parent: true\npeer-timeout: 3s\n";
    let settings = with_file(text, &["--files", "/from-flag"]).unwrap();
    assert_eq!(settings.files, Some(PathBuf::from("/from-flag")));
    assert_eq!(settings.log_level, LogLevel::Debug);
    assert!(settings.exit_with_parent);
    assert_eq!(settings.peer_timeout, Duration::from_secs(3));
    assert_eq!(settings.rescan_interval, Duration::from_secs(5));
}

#[test]
fn mistakes_in_the_file_name_line_and_remedy() {
    let error = with_file("files: /x\nlog_levle: debug\n", &[]).unwrap_err();
    assert!(
        error.contains(":2: unknown setting `log_levle`; did you mean `log-level`?"),
        "{error}"
    );
    let error = with_file("peer-timeout: 10\n", &[]).unwrap_err();
    assert!(error.contains(":1: ") && error.contains("write '10s'"), "{error}");
    let error = with_file("files: [a, b]\n", &[]).unwrap_err();
    assert!(error.contains("`files` must be one value"), "{error}");
    let error = with_file("- a\n", &[]).unwrap_err();
    assert!(error.contains("must be a map"), "{error}");
    assert!(with_file("# nothing\n", &[]).is_ok());
}

#[test]
fn the_default_certificate_has_a_namespace() {
    let settings = with_file("default-certificate: edge/wildcard\n", &[]).unwrap();
    assert_eq!(
        settings.default_certificate(),
        Some(Name::new("edge", "wildcard"))
    );
    let error = load(&["--default-certificate", "wildcard"]).unwrap_err();
    assert!(error.contains("must be a namespace and a name"), "{error}");
}
