//! A second reading of HTTP/1.1, written from the RFC and slowly: whole buffers, copies, no state. It shares no
//! line with `framing`, so that both are wrong in the same way only if the RFC was understood wrongly.
#![allow(dead_code, reason = "every user uses a part of it")]

/// How much of a head is read: bytes of its first line, bytes, fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) line: usize,
    pub(crate) head: usize,
    pub(crate) fields: usize,
}

/// A message that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its head with the blank line, and perhaps the one before it.
    pub(crate) head: usize,
    /// Bytes from the first of the head to the last of the body.
    pub(crate) whole: usize,
    /// First line.
    pub(crate) line: String,
    /// Fields in order; names in lower case.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// Decoded body.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let values = self.fields.iter().filter(|(field, _)| field == name);
        values
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// What a buffer begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Whole(Message),
    /// Nothing wrong that could be seen from here, but not complete.
    Part,
    Bad(&'static str),
}

type Field = (String, Vec<u8>);

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn token(text: &str) -> bool {
    const OTHER: &str = "!#$%&'*+-.^_`|~";
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || OTHER.contains(c))
}

fn clean(value: &[u8]) -> bool {
    !value.iter().any(|&b| b < 32 && b != 9 || b == 127)
}

/// First line and fields of a head that ends in a blank line.
fn head(bytes: &[u8], room: Room) -> Result<(Vec<u8>, Vec<Field>), &'static str> {
    if bytes.len() > room.head {
        return Err("large");
    }
    let text = &bytes[..bytes.len() - 4];
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    if lines
        .iter()
        .any(|line| line.contains(&b'\r') || line.contains(&b'\n') || line.contains(&0))
    {
        return Err("line end");
    }
    if lines[0].len() > room.line {
        return Err("long");
    }
    if lines.len() - 1 > room.fields {
        return Err("many");
    }
    let fields = lines[1..]
        .iter()
        .map(|line| field(line))
        .collect::<Result<_, _>>()?;
    Ok((lines[0].to_vec(), fields))
}

fn field(line: &[u8]) -> Result<Field, &'static str> {
    let colon = line.iter().position(|&b| b == b':').ok_or("colon")?;
    let name = std::str::from_utf8(&line[..colon]).map_err(|_| "name")?;
    if !token(name) {
        return Err("name");
    }
    let mut value = line[colon + 1..].to_vec();
    if !clean(&value) {
        return Err("value");
    }
    let white = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    while white(value.first()) {
        value.remove(0);
    }
    while white(value.last()) {
        value.pop();
    }
    Ok((name.to_ascii_lowercase(), value))
}

/// None, a length, or chunks (`u64::MAX`).
fn framing(fields: &[Field], http_11: bool, repeats: bool) -> Result<Option<u64>, &'static str> {
    let list = |name: &str| -> Result<Vec<String>, &'static str> {
        let mut list = Vec::new();
        for (_, value) in fields.iter().filter(|(field, _)| field == name) {
            let value = String::from_utf8(value.clone()).map_err(|_| "not text")?;
            list.extend(
                value
                    .split(',')
                    .map(|part| part.trim_matches([' ', '\t']).to_ascii_lowercase()),
            );
        }
        Ok(list)
    };
    let lengths = list("content-length")?;
    let codings = list("transfer-encoding")?;
    for length in &lengths {
        if length.is_empty() || length.len() > 18 || !length.chars().all(|c| c.is_ascii_digit()) {
            return Err("length");
        }
    }
    let lengths: Vec<u64> = lengths.iter().map(|length| length.parse().unwrap_or(0)).collect();
    if lengths.len() > 1 && !repeats || lengths.iter().any(|length| *length != lengths[0]) {
        return Err("lengths");
    }
    if codings.is_empty() {
        return Ok(lengths.first().copied());
    }
    if codings != ["chunked"] || !lengths.is_empty() || !http_11 {
        return Err("coding");
    }
    Ok(Some(u64::MAX))
}

/// A body, and the bytes that it takes; `None` if it is not complete.
fn body(bytes: &[u8], framed: u64) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    if framed != u64::MAX {
        let Ok(length) = usize::try_from(framed) else {
            return Ok(None);
        };
        return Ok(bytes.get(..length).map(|body| (body.to_vec(), length)));
    }
    let (mut at, mut body, mut extensions) = (0, Vec::new(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        at += end + 2;
        if !clean(line) {
            return Err("chunk");
        }
        let size: Vec<u8> = line.iter().copied().take_while(|&b| b != b';').collect();
        let extension = line.len() - size.len();
        extensions += extension;
        if size.is_empty()
            || size.len() > 15
            || !size.iter().all(u8::is_ascii_hexdigit)
            || extension > 256
            || extensions > 8192
        {
            return Err("chunk");
        }
        let size = u64::from_str_radix(&String::from_utf8_lossy(&size), 16).map_err(|_| "chunk")?;
        if size == 0 {
            break;
        }
        let Ok(size) = usize::try_from(size) else {
            return Ok(None);
        };
        let Some(data) = at.checked_add(size).and_then(|end| bytes.get(at..end)) else {
            return Ok(None);
        };
        body.extend_from_slice(data);
        at += size;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err("chunk end"),
            None => return Ok(None),
        }
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(Some((body, at + 2)));
    }
    let Some(end) = find(&bytes[at..], b"\r\n\r\n") else {
        return Ok(None);
    };
    let trailers = [b"x\r\n", &bytes[at..at + end + 4]].concat();
    let room = Room {
        line: 1,
        head: 8192 + 3,
        fields: 64,
    };
    head(&trailers, room)?;
    Ok(Some((body, at + end + 4)))
}

/// The request that a buffer begins with.
pub(crate) fn request(bytes: &[u8], room: Room) -> Read {
    let blank = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let Some(end) = find(&bytes[blank..], b"\r\n\r\n").map(|end| blank + end + 4) else {
        return Read::Part;
    };
    let whole_room = Room {
        head: room.head.saturating_sub(blank),
        ..room
    };
    let (line, fields) = match head(&bytes[blank..end], whole_room) {
        Ok(read) => read,
        Err(why) => return Read::Bad(why),
    };
    let Ok(line) = String::from_utf8(line) else {
        return Read::Bad("octets");
    };
    let words: Vec<_> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Read::Bad("request line");
    };
    let visible = target.chars().all(|c| ('!'..='~').contains(&c) && c != '#');
    if !token(method) || target.is_empty() || !visible || !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Read::Bad("request line");
    }
    let framed = match framing(&fields, version == "HTTP/1.1", false) {
        Ok(framed) => framed.unwrap_or(0),
        Err(why) => return Read::Bad(why),
    };
    finish(bytes, end, line, fields, framed)
}

/// The answer that a buffer begins with, after the interim ones, which `head` and `whole` include; `to_head`: to a
/// HEAD request. One that ends with the connection is `Part`.
pub(crate) fn answer(bytes: &[u8], room: Room, to_head: bool) -> Read {
    let mut start = 0;
    for _ in 0..=16 {
        let Some(end) = find(&bytes[start..], b"\r\n\r\n").map(|end| start + end + 4) else {
            return Read::Part;
        };
        let rest = Room {
            head: room.head.saturating_sub(start),
            ..room
        };
        let (line, fields) = match head(&bytes[start..end], rest) {
            Ok(read) => read,
            Err(why) => return Read::Bad(why),
        };
        let version = line.get(..9).unwrap_or_default();
        let http_11 = version == b"HTTP/1.1 ";
        let code = line
            .get(9..12)
            .map(|code| String::from_utf8_lossy(code).into_owned())
            .unwrap_or_default();
        let code_is_one = code.chars().all(|c| c.is_ascii_digit());
        let code: u16 = code.parse().unwrap_or(0);
        let reason = line.get(12..).unwrap_or_default();
        let reason_is_one = reason.is_empty() || reason[0] == b' ';
        if !(http_11 || version == b"HTTP/1.0 ")
            || !code_is_one
            || code < 100
            || !reason_is_one
            || !clean(&line)
        {
            return Read::Bad("status line");
        }
        let framed = match framing(&fields, http_11, true) {
            Ok(framed) => framed,
            Err(why) => return Read::Bad(why),
        };
        let line = String::from_utf8_lossy(&line).into_owned();
        match (code, framed) {
            (101, _) => return Read::Bad("not asked to switch"),
            (100..=199, _) => start = end,
            (204 | 304, _) => return finish(bytes, end, line, fields, 0),
            _ if to_head => return finish(bytes, end, line, fields, 0),
            (_, None) => return Read::Part,
            (_, Some(framed)) => return finish(bytes, end, line, fields, framed),
        }
    }
    Read::Bad("interim answers")
}

fn finish(bytes: &[u8], end: usize, line: String, fields: Vec<Field>, framed: u64) -> Read {
    match body(&bytes[end..], framed) {
        Ok(Some((body, taken))) => Read::Whole(Message {
            head: end,
            whole: end + taken,
            line,
            fields,
            body,
        }),
        Ok(None) => Read::Part,
        Err(why) => Read::Bad(why),
    }
}
