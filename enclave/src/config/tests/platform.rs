//! The tables `[entropy]`, `[platform]` and `[simulator]`.

use std::time::Duration;

use super::*;
use crate::entropy::{EntropySettings, ReseedPolicy};
use crate::nsm::NsmSettings;

fn entropy(lines: &str) -> Result<EntropySettings, String> {
    let settings = settings(&format!("[entropy]\n{lines}\n"), Profile::Development);
    settings.map(|settings| settings.entropy).map_err(|error| error.to_string())
}

#[test]
fn reads_entropy_settings() {
    let settings = entropy(
        "deadline_ms = 10\nwatchdog_ms = 120000\nprefetch = 0\nmax_age_ms = 600000\n\
         reseed = \"interval\"\nreseed_generate_calls = 65536\nreseed_interval_ms = 100",
    );
    let EntropySettings { nsm, reseed_policy } = settings.unwrap();
    let NsmSettings { deadline, watchdog, prefetch, max_age } = nsm;
    assert_eq!((deadline, watchdog), (Duration::from_millis(10), Duration::from_secs(120)));
    assert_eq!((prefetch, max_age), (0, Duration::from_secs(600)));
    let period = Duration::from_millis(100);
    let expected = ReseedPolicy::Interval { generate_calls: 65_536, period };
    assert_eq!(reseed_policy, expected);
}

#[test]
fn rejects_numbers_out_of_range() {
    let interval = "reseed = \"interval\"\n";
    for (key, least, most) in [
        ("deadline_ms", 10, 60_000),
        ("watchdog_ms", 100, 120_000),
        ("prefetch", 0, 1024),
        ("max_age_ms", 100, 600_000),
        ("reseed_generate_calls", 1, 65_536),
        ("reseed_interval_ms", 100, 600_000),
    ] {
        // The value of the other key keeps the idle rate within its limit.
        let other = if key == "max_age_ms" { "prefetch = 1\n" } else { "max_age_ms = 600000\n" };
        let interval = format!("{interval}{other}");
        for number in [least, most] {
            entropy(&format!("{interval}{key} = {number}")).unwrap();
        }
        for number in [least - 1, most + 1, i64::MAX, i64::MIN] {
            let error = entropy(&format!("{interval}{key} = {number}")).unwrap_err();
            let expected = format!(
                "invalid value: integer `{number}`, expected a whole number from {least} to {most}"
            );
            assert!(error.contains("line 4 ") && error.ends_with(&expected), "{key}: {error}");
        }
        let error = entropy(&format!("{interval}{key} = 100.5")).unwrap_err();
        assert!(error.contains("invalid type: floating point"), "{key}: {error}");
    }
}

#[test]
fn rejects_idle_refresh_above_100_blocks_per_second() {
    for (prefetch, max_age_ms) in [(10, 100), (64, 640), (1000, 10_000)] {
        let lines = |more| format!("prefetch = {}\nmax_age_ms = {max_age_ms}", prefetch + more);
        entropy(&lines(0)).unwrap();
        let error = error_text(&format!("[entropy]\n{}\n", lines(1)), Profile::Development);
        let expected = format!(
            "[entropy] with prefetch = {} and max_age_ms = {max_age_ms} an idle service would \
             request more than 100 blocks a second: decrease prefetch or increase max_age_ms",
            prefetch + 1
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn rejects_reseed_interval_without_interval_mode() {
    let expected = "[entropy] reseed_generate_calls and reseed_interval_ms have no effect with \
                    reseed = \"per-request\": write reseed = \"interval\", or remove them";
    for lines in ["reseed_generate_calls = 9", "reseed_interval_ms = 900"] {
        for mode in ["", "reseed = \"per-request\"\n"] {
            let error = error_text(&format!("[entropy]\n{mode}{lines}\n"), Profile::Development);
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn rejects_empty_clocksource_list() {
    let platform = |list: &str| format!("[platform]\nclocksources = {list}\n");
    let listed = settings(&platform("[\"tsc\", \"kvm-clock\"]"), Profile::Development).unwrap();
    assert_eq!(listed.platform.clocksources, ["tsc", "kvm-clock"]);
    for list in ["[]", "[\"\"]", "[\"tsc\", \"\"]"] {
        let error = error_text(&platform(list), Profile::Development);
        let expected = "[platform] clocksources is empty or contains an empty name: list at least \
                        one, such as \"kvm-clock\"";
        assert_eq!(error, expected);
    }
}

#[cfg(not(feature = "simulator"))]
#[test]
fn production_build_rejects_simulator_table() {
    let error = load("[simulator.nsm]\nlatency_ms = 1\n").unwrap_err().to_string();
    assert!(error.contains("unknown field `simulator`"), "{error}");
}

#[cfg(feature = "simulator")]
mod simulated {
    use simulator::{Fault, FaultInjection, FaultTrigger};

    use super::*;

    fn fault_injection(lines: &str) -> Result<FaultInjection, String> {
        let config = load(&format!("[simulator.nsm]\n{lines}\n"));
        config.and_then(|config| config.simulated_nsm()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_simulated_latency() {
        for (text, latency) in [
            ("0", Duration::ZERO),
            ("0.1", Duration::from_micros(100)),
            ("1", Duration::from_millis(1)),
            ("10", Duration::from_millis(10)),
            ("500.0", Duration::from_millis(500)),
        ] {
            let expected = FaultInjection { latency, fault: None };
            assert_eq!(fault_injection(&format!("latency_ms = {text}")), Ok(expected));
        }
        for text in ["-1", "501", "-0.5", "500.1", "inf", "nan", "\"1\""] {
            let error = fault_injection(&format!("latency_ms = {text}")).unwrap_err();
            let expected = "expected milliseconds from 0 to 500, such as 1 or 0.1";
            assert!(error.ends_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn reads_each_fault_and_its_start() {
        for (name, fault) in [
            ("short", Fault::Short),
            ("long", Fault::Long),
            ("empty", Fault::Empty),
            ("repeat", Fault::Repeat),
            ("zeros", Fault::Zeros),
            ("ones", Fault::Ones),
            ("counter", Fault::Counter),
            ("stuck", Fault::Stuck),
            ("error", Fault::Error),
            ("malformed", Fault::Malformed),
            ("hang", Fault::Hang),
        ] {
            for (after, trigger) in [
                ("", FaultTrigger::Boot),
                ("after = 0", FaultTrigger::AfterReady { calls: 0 }),
                ("after = 100", FaultTrigger::AfterReady { calls: 100 }),
            ] {
                let fault = Some((fault, trigger));
                let expected = FaultInjection { latency: Duration::ZERO, fault };
                assert_eq!(fault_injection(&format!("fault = \"{name}\"\n{after}")), Ok(expected));
            }
        }
        let error = fault_injection("fault = \"broken\"").unwrap_err();
        let expected = "(not shown, it may be a secret), expected one of `short`";
        assert!(error.contains(expected), "{error}");
        let error = fault_injection("after = 3").unwrap_err();
        assert!(error.ends_with("set fault, or remove after"), "{error}");
    }

    #[test]
    fn simulator_has_no_faults_and_no_image_by_default() {
        for text in ["", "[simulator]\n", "[simulator.nsm]\n"] {
            let config = load(text).unwrap();
            assert_eq!(config.simulated_nsm().unwrap(), FaultInjection::default());
            assert_eq!(config.simulated_image(), None);
        }
    }

    #[test]
    fn reads_name_of_simulated_image() {
        let load = |name: &str| load(&format!("[simulator.nsm]\nimage = \"{name}\"\n"));
        assert_eq!(load("v2").unwrap().simulated_image().as_deref(), Some("v2"));
        assert_eq!(
            load(&"x".repeat(64)).unwrap().simulated_image().map(|name| name.len()),
            Some(64)
        );
        for name in [String::new(), "x".repeat(65)] {
            let error = load(&name).unwrap_err().to_string();
            assert!(error.ends_with("expected a name of 1 to 64 characters"), "{error}");
        }
    }

    #[test]
    fn documented_simulator_table_is_valid() {
        let page = include_str!("../../../../docs/configuration.md");
        let mut blocks = page.split("```toml\n");
        let block = blocks.find(|block| block.starts_with("[simulator.nsm]\n")).unwrap();
        let (text, _) = block.split_once("```").unwrap();
        let trigger = FaultTrigger::AfterReady { calls: 100 };
        let expected = FaultInjection {
            latency: Duration::from_micros(100),
            fault: Some((Fault::Stuck, trigger)),
        };
        let config = load(text).unwrap();
        assert_eq!(config.simulated_nsm().unwrap(), expected);
        assert_eq!(config.simulated_image().as_deref(), Some("v2"));
    }

    #[test]
    fn rejects_simulator_table_in_production() {
        let text = production(&[CREDENTIAL, "[simulator.nsm]\nlatency_ms = 0\n"].concat());
        let expected = "[simulator] is only for enclave-simulator: remove it";
        assert_eq!(error_text(&text, Profile::Production), expected);
    }
}
