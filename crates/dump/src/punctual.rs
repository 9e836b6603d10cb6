//! Short sleeps that end on time.

use std::marker::PhantomData;
use std::num::NonZeroU64;

use rustix::thread::{current_timer_slack, set_current_timer_slack};

/// While this lives, sleeps of the calling thread end when they should (`PR_SET_TIMERSLACK`): the
/// kernel otherwise adds up to 50 us, more than a stop takes that is waited for.
#[derive(Debug)]
pub struct Punctual {
    /// In nanoseconds.
    before: Option<NonZeroU64>,
    /// The calling thread's.
    not_send: PhantomData<*const ()>,
}

impl Punctual {
    /// From now on. What does not work costs time only.
    pub fn start() -> Self {
        let before = current_timer_slack().ok().and_then(NonZeroU64::new);
        if before.is_some() {
            let _ = set_current_timer_slack(Some(NonZeroU64::MIN));
        }
        Self {
            before,
            not_send: PhantomData,
        }
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        if self.before.is_some() {
            let _ = set_current_timer_slack(self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_slack_is_put_back() {
        set_current_timer_slack(NonZeroU64::new(70_000)).unwrap();
        let punctual = Punctual::start();
        assert_eq!(current_timer_slack().unwrap(), 1);
        drop(punctual);
        assert_eq!(current_timer_slack().unwrap(), 70_000);
    }
}
