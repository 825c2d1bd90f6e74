use proptest::prelude::*;

use super::*;

#[test]
fn normal_form() {
    for (written, normal) in [
        ("", "/"),
        ("/", "/"),
        ("*", "*"),
        ("/chat", "/chat"),
        ("/chat/", "/chat/"),
        ("//chat///room//", "/chat/room/"),
        ("/a/./b", "/a/b"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a//../b", "/b"),
        ("/../a", "/a"),
        ("/..", "/"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/%63hat", "/chat"),
        ("/%7euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%2F..%2Fb", "/a%2F..%2Fb"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/%00%0d%0a%25", "/%00%0D%0A%25"),
        ("/100%", "/100%25"),
        ("/%zz%2", "/%25zz%252"),
        ("/%%61", "/%25a"),
        ("/café", "/caf%C3%A9"),
        ("/caf%c3%a9", "/caf%C3%A9"),
    ] {
        assert_eq!(normalize(written), normal, "{written}");
    }
}

#[test]
fn climbing_above_the_root_is_an_escape_under_any_reading() {
    for path in [
        "/..",
        "/../a",
        "/%2e%2e/a",
        "/a/../../b",
        "/a//../../b",
        "/..;x=1/a",
        "/..%2fa",
        "/..\\a",
        "/a/..%5c..%5Cb",
    ] {
        assert!(escapes(path), "{path}");
    }
    for path in [
        "/",
        "/a/../b",
        "/a/b/../..",
        "/...",
        "/a..b/",
        "/%252e%252e/",
        "/a;b=../c",
    ] {
        assert!(!escapes(path), "{path}");
    }
}

#[test]
fn readings_differ_where_servers_do() {
    let paths = readings("/public//../admin").unwrap().paths;
    assert_eq!(paths, ["/public/../admin", "/public/admin", "/admin"]);
    assert_eq!(normalize("/public//../admin"), "/admin");
    let paths = readings("/public/..;/admin").unwrap().paths;
    assert_eq!(paths, ["/public/..;/admin", "/public/..;/admin", "/admin"]);
    let paths = readings("/a//b//../").unwrap().paths;
    assert_eq!(paths, ["/a/b/../", "/a/b/", "/a/"]);
    assert!(readings("/public/a%20b/c..d").is_none());
}

fn odd_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "//", ".", "..", "a", "%2e", "%2F", "%61", "%25", "%", "é", ";", "\\",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(path in odd_path()) {
        let once = normalize(&path).into_owned();
        let twice = normalize(&once);
        prop_assert!(matches!(twice, Cow::Borrowed(_)), "{path} -> {once} -> {twice}");
    }

    #[test]
    fn a_normal_path_is_what_the_slow_way_makes_of_it(path in odd_path()) {
        prop_assert_eq!(is_normal(path.as_bytes()), resolve(&canonical_escapes(&path), true).0 == path);
    }

    #[test]
    fn a_normal_path_has_no_dot_segment_and_no_empty_one(path in odd_path()) {
        let normal = normalize(&path).into_owned();
        let mut segments: Vec<&str> = normal.split('/').skip(1).collect();
        segments.pop_if(|last| last.is_empty());
        prop_assert!(segments.iter().all(|s| !matches!(*s, "" | "." | "..")), "{}", normal);
    }
}
