//! The process that puts things right if we die.

use std::rc::Rc;

use commensal_sys::caretaker::Caretaker;

use crate::Error;
use crate::restart::put_right;

/// The caretaker of the calling thread, as it is started with the first task that it seizes; it ends
/// with the last one, unless it is kept. To have it a little earlier saves waiting for its start.
///
/// # Errors
///
/// [`Error::Sys`] where there can be no such process.
pub fn caretaker() -> Result<Rc<Caretaker>, Error> {
    Ok(Caretaker::of_thread(put_right)?)
}
