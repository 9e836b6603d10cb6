//! A transition that failed.

use core::fmt;

/// A transition that failed: the error, and the state as it was before it,
/// unless the task is gone.
pub struct Failed<S, E> {
    /// Why.
    pub error: E,
    /// The state to go on from; `None` when the task has ended.
    pub state: Option<S>,
}

impl<S, E> Failed<S, E> {
    /// A failure that leaves the task in `state`.
    pub fn kept(error: E, state: S) -> Self {
        Self {
            error,
            state: Some(state),
        }
    }

    /// A failure because the task ended.
    pub fn gone(error: E) -> Self {
        Self { error, state: None }
    }
}

impl<S, E: fmt::Debug> fmt::Debug for Failed<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed")
            .field("error", &self.error)
            .field("kept", &self.state.is_some())
            .finish()
    }
}

impl<S, E: fmt::Display> fmt::Display for Failed<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<S, E: std::error::Error> std::error::Error for Failed<S, E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
