use super::*;

fn error(body: &str) -> String {
    Object::parse(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn rejects_duplicate_member_at_any_depth() {
    for body in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"x":{"a":1,"a":null}}"#,
        r#"{"x":[{"y":{"z":{"a":1,"a":2}}}]}"#,
    ] {
        assert!(error(body).starts_with("a member occurs twice"), "{body}");
    }
}

#[test]
fn rejects_body_that_is_not_one_object() {
    for body in [
        "",
        "{",
        "{}x",
        "{} {}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":NaN}",
        "\u{feff}{}",
        "{\"a\":\"\\ud800\"}",
        "nul",
    ] {
        assert!(Object::parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    assert_eq!(error("[]"), "Start of list found where not expected");
    assert_eq!(error("null"), "NULL_VALUE can not be converted to a structure");
    assert_eq!(error("7"), "NUMBER_VALUE can not be converted to a structure");
}

#[test]
fn rejects_too_many_levels_or_members() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    assert!(error(&deep).starts_with("recursion limit exceeded"));
    let wide: Vec<String> = (0..65).map(|n| format!("\"{n}\":0")).collect();
    assert!(error(&format!("{{{}}}", wide.join(","))).contains("more than 64 members"));
}

#[test]
fn discards_values_below_the_kept_depth() {
    let mut body = Object::parse(br#"{"x":{"y":{"z":1}}}"#).unwrap();
    let mut x = body.take("x").unwrap().into_object().unwrap();
    let y = x.take("y").unwrap().into_object().unwrap();
    assert!(y.members.is_empty());
}
