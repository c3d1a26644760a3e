use super::*;

#[test]
fn rfc3339_round_trips() {
    let moment = UnixMillis::new(1_762_795_210_812);
    assert_eq!(moment.to_string(), "2025-11-10T17:20:10.812Z");
    assert_eq!(UnixMillis::from_rfc3339("2025-11-10T17:20:10.812Z"), Some(moment));
    assert_eq!(UnixMillis::from_rfc3339("2025-11-10"), None);
    assert_eq!(UnixMillis::from_rfc3339("1969-01-01T00:00:00Z"), None);
}

#[test]
fn displays_times_after_year_9999_as_number() {
    assert_eq!(UnixMillis::new(u64::MAX).to_string(), format!("{} ms after 1970", u64::MAX));
}

#[test]
fn displays_durations_in_two_units() {
    for (seconds, expected) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (633, "10 min 33 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (u64::MAX, "213503982334601 d 7 h"),
    ] {
        assert_eq!(HumanDuration(seconds).to_string(), expected);
    }
}

#[test]
fn human_timeout_prints_milliseconds_or_seconds() {
    for (millis, expected) in
        [(0, "0 ms"), (500, "500 ms"), (1000, "1 s"), (1500, "1.5 s"), (60_000, "60 s")]
    {
        assert_eq!(HumanTimeout(Duration::from_millis(millis)).to_string(), expected);
    }
}

#[test]
fn basic_iso8601_round_trips() {
    for (text, seconds) in [
        ("19700101T000000Z", 0),
        ("20240229T235959Z", 1_709_251_199),
        ("20240820T230143Z", 1_724_194_903),
        ("99991231T235959Z", 253_402_300_799),
    ] {
        let moment = UnixMillis::from_secs(seconds);
        assert_eq!(UnixMillis::from_basic_iso8601(text), Some(moment));
        assert_eq!(moment.basic_iso8601().to_string(), text);
    }
    let last_millisecond = UnixMillis::new(1_724_194_903_999);
    assert_eq!(last_millisecond.basic_iso8601().to_string(), "20240820T230143Z");
}

#[test]
fn rejects_other_basic_iso8601_text() {
    for text in [
        "",
        "20240820",
        "20240820T230143",
        "20240820T230143z",
        "20240820t230143Z",
        "20240820 230143Z",
        "20240820T230143Z ",
        " 20240820T230143Z",
        "20240820T2301433Z",
        "2024-08-20T23:01:43Z",
        "20240820T230143+0",
        "2024+820T230143Z",
        "2024 820T230143Z",
        "20240820T23014\u{663}Z",
        "20230229T000000Z",
        "20241301T000000Z",
        "20240001T000000Z",
        "20240800T000000Z",
        "20240832T000000Z",
        "20240820T240000Z",
        "20240820T236000Z",
        "20240820T235960Z",
        "19691231T235959Z",
    ] {
        assert_eq!(UnixMillis::from_basic_iso8601(text), None, "{text}");
    }
}

#[test]
fn parses_http_dates() {
    for (text, basic) in [
        ("Tue, 20 Aug 2024 23:01:43 GMT", "20240820T230143Z"),
        ("Tue, 20 Aug 2024 23:01:43 +0000", "20240820T230143Z"),
        ("Tue, 20 Aug 2024 23:01:43 -0000", "20240820T230143Z"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"),
        ("Thu, 29 Feb 2024 23:59:59 GMT", "20240229T235959Z"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "99991231T235959Z"),
        // The day was a Friday. AWS's test suite for signatures contains this date.
        ("Mon, 09 Sep 2011 23:36:00 GMT", "20110909T233600Z"),
    ] {
        let moment = UnixMillis::from_http_date(text);
        assert_eq!(moment, UnixMillis::from_basic_iso8601(basic), "{text}");
        assert!(moment.is_some(), "{text}");
    }
}

#[test]
fn rejects_other_http_date_text() {
    for text in [
        "",
        "20240820T230143Z",
        "20 Aug 2024 23:01:43 GMT",
        "Tue, 20 Aug 2024 23:01:43",
        "Tue, 20 Aug 2024 23:01:43 ",
        "Tue, 20 Aug 2024 23:01:43 UTC",
        "Tue, 20 Aug 2024 23:01:43 gmt",
        "Tue, 20 Aug 2024 23:01:43 +0100",
        "Tue, 20 Aug 2024 23:01:43 GMT ",
        " Tue, 20 Aug 2024 23:01:43 GMT",
        "tue, 20 Aug 2024 23:01:43 GMT",
        "Day, 20 Aug 2024 23:01:43 GMT",
        "Tue 20 Aug 2024 23:01:43 GMT",
        "Tue,20 Aug 2024 23:01:43 GMT",
        "Tue, 20 aug 2024 23:01:43 GMT",
        "Tue, 20 Mon 2024 23:01:43 GMT",
        "Tue, 1 Aug 2024 23:01:43 GMT",
        "Tue, 20 Aug 24 23:01:43 GMT",
        "Tue, 20-Aug-2024 23:01:43 GMT",
        "Tuesday, 20-Aug-24 23:01:43 GMT",
        "Tue Aug 20 23:01:43 2024",
        "Tue, 00 Aug 2024 23:01:43 GMT",
        "Thu, 30 Feb 2024 23:01:43 GMT",
        "Tue, 20 Aug 2024 24:01:43 GMT",
        "Tue, 20 Aug 2024 23:60:43 GMT",
        "Tue, 20 Aug 2024 23:01:60 GMT",
        "Tue, 20 Aug 2024 23:01:+3 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
    ] {
        assert_eq!(UnixMillis::from_http_date(text), None, "{text}");
    }
}

#[test]
fn displays_basic_iso8601_after_year_9999_as_number() {
    let last = UnixMillis::new(u64::MAX);
    assert_eq!(last.basic_iso8601().to_string(), last.to_string());
}

#[test]
fn converts_system_times_since_1970() {
    let time = UNIX_EPOCH + std::time::Duration::from_millis(1_770_113_522_437);
    assert_eq!(UnixMillis::try_from(time), Ok(UnixMillis::new(1_770_113_522_437)));
    let before = UNIX_EPOCH - std::time::Duration::from_secs(1);
    assert_eq!(UnixMillis::try_from(before), Err(BeforeUnixEpoch));
}
