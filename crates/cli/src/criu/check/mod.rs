//! `criu check`: whether the kernel has what dumps and restores need.

mod feature;
mod probe;

use std::process::ExitCode;

pub use feature::Feature;
use feature::Need;
use tracing::{error, warn};

use super::settings::Settings;
use super::workplace;

/// Checks one feature, or all that are needed: exit status 0 if it is, or they are, there.
pub fn run(mut settings: Settings) -> ExitCode {
    if let Err(what) = workplace::enter(&mut settings) {
        eprintln!("Error: {what}");
        return ExitCode::FAILURE;
    }
    match settings.feature {
        Some(feature) => one(feature),
        None => all(&settings),
    }
}

fn one(feature: &Feature) -> ExitCode {
    match feature.check() {
        Ok(()) => {
            println!("{} is supported", feature.name);
            ExitCode::SUCCESS
        }
        Err(why) => {
            error!("{} is not supported: {why}", feature.name);
            ExitCode::FAILURE
        }
    }
}

/// A required feature that is missing ends the check; the others are all told of. Either fails it.
fn all(settings: &Settings) -> ExitCode {
    for (name, probes) in feature::REQUIRED {
        if let Err(why) = probe::all(probes) {
            error!("{name} is missing: {why}");
            warn!("Does not look good.");
            return ExitCode::FAILURE;
        }
    }
    let mut missing = false;
    for feature in Feature::ALL {
        let wanted = match feature.need {
            Need::Extra => settings.extra,
            Need::Experimental => settings.experimental,
            Need::Asked => false,
        };
        if let (true, Err(why)) = (wanted, feature.check()) {
            warn!("{} is not supported: {why}", feature.name);
            missing = true;
        }
    }
    if missing {
        println!(
            "Looks good but some kernel features are missing\n\
             which, depending on your process tree, may cause\n\
             dump or restore failure."
        );
        return ExitCode::FAILURE;
    }
    println!("Looks good.");
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_an_answer_and_a_name_of_its_own() {
        for (at, feature) in Feature::ALL.iter().enumerate() {
            let first = Feature::ALL
                .iter()
                .position(|other| other.name == feature.name);
            assert_eq!(first, Some(at), "{}", feature.name);
            if let Err(why) = feature.check() {
                assert!(!why.is_empty(), "{}", feature.name);
            }
        }
    }

    #[test]
    fn what_commensal_itself_needs_is_there() {
        for name in ["mnt_id", "pidfd_store", "kcmp_epoll", "external_net_ns"] {
            assert_eq!(Feature::by_name(name).unwrap().check(), Ok(()), "{name}");
        }
        assert!(Feature::by_name("no_such_feature").is_none());
    }
}
