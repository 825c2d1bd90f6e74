//! Where guards print the logs of what they end: to the test runner, which shows them if the test failed.
//!
//! The standard runner captures what a test's thread prints; for runners that do not, [`capture`] keeps it.

use std::cell::RefCell;

thread_local! {
    static CAPTURED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prints `text`, unless this thread is inside [`capture`], which keeps it.
pub fn print(text: &str) {
    let kept = CAPTURED.with_borrow_mut(|captured| captured.as_mut().map(|all| all.push_str(text)));
    if kept.is_none() {
        print!("{text}");
    }
}

/// Does `work` on this thread; yields its result, and what guards printed meanwhile.
pub fn capture<T>(work: impl FnOnce() -> T) -> (T, String) {
    CAPTURED.set(Some(String::new()));
    let result = work();
    (result, CAPTURED.take().unwrap_or_default())
}
