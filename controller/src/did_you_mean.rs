//! Guesses which known word was meant by an unknown one, for the messages that name it.

/// The known word that `word` is most likely a misspelling of.
pub(crate) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let near = known.map(|name| (distance(name), name)).min()?;
    let allowed = if word.len() <= 4 { 1 } else { 1 + word.len() / 5 };
    Some(near.1).filter(|_| near.0 <= allowed)
}
