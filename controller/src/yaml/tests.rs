use super::*;

fn good(text: &str) -> Vec<Document> {
    documents(text)
        .into_iter()
        .map(|document| document.unwrap())
        .collect()
}

#[test]
fn fields_know_their_lines() {
    let text =
        "# a comment\nkind: A\n---\nkind: B\nspec:\n  rules:\n  - host: x\n  - host: y\n    port: 80\n";
    let documents = good(text);
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[0].lines.line_of("kind"), 2);
    let lines = &documents[1].lines;
    assert_eq!(lines.line_of(""), 4);
    assert_eq!(lines.line_of("spec.rules[1]"), 8);
    assert_eq!(lines.line_of("spec.rules[1].port"), 9);
    assert_eq!(lines.line_of("spec.rules[1].absent.deeper"), 8);
    assert_eq!(lines.line_of("nowhere"), 4);
}

#[test]
fn a_broken_document_hides_no_other_and_is_known_by_what_came_before() {
    let text = "kind: A\n---\nkind: B\nmetadata:\n  name: b\nspec: [1, 2\n---\nkind: C\n";
    let documents = documents(text);
    assert_eq!(documents[0].as_ref().unwrap().value["kind"], "A");
    let broken = documents[1].as_ref().unwrap_err();
    assert!((6..=7).contains(&broken.line), "{broken:?}");
    assert_eq!(broken.seen["metadata.name"], "b");
    assert_eq!(documents[2].as_ref().unwrap().value["kind"], "C");
    assert_eq!(documents[2].as_ref().unwrap().lines.line_of("kind"), 8);
}

#[test]
fn empty_documents_are_skipped() {
    assert!(documents("").is_empty());
    assert!(documents("# nothing\n---\n\n---\n  # more\n...\n").is_empty());
    assert!(documents("---\nnull\n").is_empty());
    assert_eq!(good("%YAML 1.2\n---\na: 1\n").len(), 1);
    assert_eq!(good("--- {a: 1}\n--- # second\nb: 2\n").len(), 2);
}

#[test]
fn a_marker_inside_an_indented_block_is_text() {
    let documents = good("a: |\n  ---\n  x\nb: 1\n");
    assert_eq!(documents[0].value["a"], "---\nx\n");
}

#[test]
fn words_that_kubectl_reads_as_booleans_are_remembered() {
    let lines = &good("a: Off\nb: 'Off'\nc: yes\nd: oFf\ne: true\n")[0].lines;
    assert_eq!(lines.switch_word("a"), Some("Off"));
    assert_eq!(lines.switch_word("b"), None);
    assert_eq!(lines.switch_word("c"), Some("yes"));
    assert_eq!(lines.switch_word("d"), None);
    assert_eq!(lines.switch_word("e"), None);
}

#[test]
fn a_key_written_twice_is_an_error_that_names_both_lines() {
    let broken = documents("a: 1\nb:\n  c: 1\n  c: 2\n").remove(0).unwrap_err();
    assert_eq!(
        (broken.line, broken.message.as_str()),
        (4, "the key `b.c` is already set on line 3")
    );
}

#[test]
fn every_line_in_a_message_is_the_files() {
    let broken = documents("a: 1\n---\nb: 1\nc: {d: e\n").remove(1).unwrap_err();
    assert!(
        broken.message.ends_with("while parsing a flow mapping on line 4"),
        "{broken:?}"
    );
}

#[test]
fn json_is_yaml() {
    let document = &good("{\n\t\"kind\": \"A\",\n\t\"spec\": {\"n\": [1, 2]}\n}\n")[0];
    assert_eq!(document.value["spec"]["n"][1], 2);
    assert_eq!(document.lines.line_of("spec.n"), 3);
}

#[test]
fn aliases_unfold_only_so_far() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    let broken = documents(&text).remove(0).unwrap_err();
    assert!(broken.message.contains("aliases included"), "{}", broken.message);
    assert_eq!(good("a: &x {b: 1}\nc: {<<: *x, d: 2}\n")[0].value["c"]["b"], 1);
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000)] {
        assert!(documents(&text).remove(0).is_err());
    }
    let broken = documents(&"- ".repeat(70)).remove(0).unwrap_err();
    assert!(broken.message.contains("nested deeper"), "{}", broken.message);
}
