//! Answers good and bad, byte by byte.

use super::*;

async fn read_text(text: &str) -> Result<Response, Malformed> {
    read(&mut text.as_bytes()).await
}

#[tokio::test]
async fn keeps_the_head_as_it_came_and_what_follows_it() {
    let response =
        read_text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Up\r\nX-A:  b \r\nx-a: c\r\n\r\n\x01\x02")
            .await
            .expect("an answer");
    assert_eq!(response.status, 101);
    assert_eq!(
        response.lines().collect::<Vec<_>>(),
        ["HTTP/1.1 101 Up", "X-A:  b ", "x-a: c"]
    );
    assert_eq!(response.header("x-a"), Some("b"));
    assert_eq!(response.rest, [1, 2]);
}

#[tokio::test]
async fn says_why_an_answer_is_none() {
    for (text, says) in [
        ("", "ended before a whole answer"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n", "ended before a whole answer"),
        ("SSH-2.0-x", "begins with 'SSH-2.0-x'"),
        ("HTTP/2 200\r\n\r\n", "not HTTP/1"),
        ("HTTP/1.1 +20 OK\r\n\r\n", "not HTTP/1"),
        ("HTTP/1.1\r\n\r\n", "not HTTP/1"),
    ] {
        let error = read_text(text).await.expect_err(text).to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_MOST * 2));
    assert!(matches!(read_text(&endless).await, Err(Malformed::TooLong)));
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INTERIM_MOST);
    assert!(matches!(read_text(&hints).await, Err(Malformed::TooLong)));
}

#[tokio::test]
async fn a_body_ends_where_its_framing_says() {
    for (head, body, expected) in [
        ("Content-Length: 3\r\n", "abcdef", "abc"),
        (
            "Transfer-Encoding: chunked\r\n",
            "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            "abcde",
        ),
        ("", "until the end", "until the end"),
        ("Content-Length: 10\r\n", "cut", "cut"),
        (
            "Transfer-Encoding: chunked\r\n",
            "ffffffffffffffff\r\nabc",
            "ffffffffffffffff\r\nabc",
        ),
    ] {
        let text = format!("HTTP/1.1 403 Forbidden\r\n{head}\r\n{body}");
        let mut stream = text.as_bytes();
        let response = read(&mut stream).await.expect("an answer");
        assert_eq!(response.body(&mut stream).await, expected.as_bytes(), "{head}");
    }
}
