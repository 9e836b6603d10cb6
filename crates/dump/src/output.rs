//! The images directory of a dump, and what is written beside the images.

use std::path::Path;

use commensal_images::{
    Existing, Image, ImageSink, ImagesDir, dedup, share_with_tree, write_service,
};

use crate::{Options, Result, Summary, stats};

/// Makes the directory, or takes the one that may be used.
pub(crate) fn images_dir(options: &Options) -> Result<ImagesDir> {
    let existing = match options.images_dir_may_be_used {
        true => Existing::ReplaceSet,
        false => Existing::Refuse,
    };
    Ok(ImagesDir::create(&options.images_dir, existing)?)
}

/// Writes `stats-dump` into the work directory, if there is one, or else into the image set.
pub(crate) fn write_stats(
    sink: &impl ImageSink,
    options: &Options,
    summary: &Summary,
) -> Result<()> {
    let entry = stats::entry(summary);
    match &options.work_dir {
        None => write_service(sink, Image::StatsDump, &entry)?,
        Some(work_dir) => {
            let dir = ImagesDir::create(work_dir, Existing::Keep)?;
            write_service(&dir, Image::StatsDump, &entry)?;
        }
    }
    Ok(())
}

/// The images are complete: what does not work here costs space only.
pub(crate) fn auto_dedup(options: &Options) {
    if options.auto_dedup
        && let Err(error) = dedup(&options.images_dir)
    {
        tracing::error!(%error, "no space was given back in the earlier images");
    }
}

/// The images are complete: what does not work here has to be done before the restore.
pub(crate) fn share(dir: &Path) {
    if let Err(error) = share_with_tree(dir) {
        tracing::warn!(
            "{error}: let the user who is root in the tree's user namespace read the images before \
             they are restored"
        );
    }
}
