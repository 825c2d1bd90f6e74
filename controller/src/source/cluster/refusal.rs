//! What the API server's errors mean, in a sentence that names what is missing.

use kube::core::Status;
use kube::runtime::watcher;

/// What an error means for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 403: a permission is missing.
    Forbidden,
    /// 404: the cluster has no such kind.
    UnknownKind,
    /// 400 or 422: the server does not know this way of asking.
    UnknownWay,
    /// 410: the history is gone; the next thing is a list.
    Expired,
    /// Everything else: the server is away, or refuses who we are.
    Unreachable,
}

/// Judges an error of a watch of `plural` (`secrets`, `websocketroutes.holdfast.dev`) in `namespace`.
pub(super) fn judge(error: &watcher::Error, plural: &str, namespace: Option<&str>) -> (Refusal, String) {
    let place = namespace.map_or_else(|| "the cluster".to_owned(), |name| format!("'{name}'"));
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(&**status),
        _ => None,
    };
    let Some(status) = status else {
        let error = innermost(error);
        return (
            Refusal::Unreachable,
            format!("cannot list {plural} in {place}: {error}; serving what was seen last"),
        );
    };
    judge_status(status, plural, &place)
}

fn judge_status(status: &Status, plural: &str, place: &str) -> (Refusal, String) {
    let said = &status.message;
    match status.code {
        401 => (
            Refusal::Unreachable,
            format!(
                "cannot list {plural} in {place}: the API server does not accept our credentials ({said})"
            ),
        ),
        403 => (
            Refusal::Forbidden,
            format!(
                "cannot list {plural} in {place}: grant the service account the verbs 'get', 'list' and 'watch' ({said})"
            ),
        ),
        404 => (
            Refusal::UnknownKind,
            format!("the cluster does not know {plural}"),
        ),
        410 => (
            Refusal::Expired,
            format!("the history of {plural} is gone; listing them anew"),
        ),
        400 | 422 => (
            Refusal::UnknownWay,
            format!("cannot list {plural} in {place}: {said}"),
        ),
        code => (
            Refusal::Unreachable,
            format!("cannot list {plural} in {place}: {code} {said}"),
        ),
    }
}

/// The cause at the end of the chain, which says what happened.
fn innermost(error: &watcher::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16) -> watcher::Error {
        let status = Status::failure("said so", "Reason").with_code(code).boxed();
        watcher::Error::InitialListFailed(kube::Error::Api(status))
    }

    #[test]
    fn what_is_missing_is_named() {
        let (refusal, text) = judge(&error(403), "secrets", Some("shop"));
        assert_eq!(refusal, Refusal::Forbidden);
        assert!(
            text.starts_with("cannot list secrets in 'shop': grant the service account"),
            "{text}"
        );
        let (refusal, text) = judge(&error(404), "websocketroutes.holdfast.dev", None);
        assert_eq!(refusal, Refusal::UnknownKind);
        assert_eq!(text, "the cluster does not know websocketroutes.holdfast.dev");
        assert_eq!(judge(&error(410), "services", None).0, Refusal::Expired);
        assert_eq!(judge(&error(500), "services", None).0, Refusal::Unreachable);
        assert_eq!(
            judge(&watcher::Error::NoResourceVersion, "services", None).0,
            Refusal::Unreachable
        );
    }
}
