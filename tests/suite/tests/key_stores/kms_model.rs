//! Checks a response against botocore's model.

use serde_json::Value;

/// Checks recursively that the model declares every member, and that each value has the type and
/// the limits of the model.
pub(crate) fn assert_is_of(model: &Value, shape: &str, value: &Value) {
    let shape_model = &model["shapes"][shape];
    match shape_model["type"].as_str().unwrap() {
        "structure" => {
            let members = value.as_object().unwrap_or_else(|| panic!("{shape}: {value}"));
            for (name, value) in members {
                let member = shape_model["members"][name]["shape"].as_str();
                assert_is_of(model, member.unwrap_or_else(|| panic!("{shape}: {name}")), value);
            }
            for name in shape_model["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(name.as_str().unwrap()), "{shape}: no {name}");
            }
        }
        "list" => {
            let values = value.as_array().unwrap_or_else(|| panic!("{shape}: {value}"));
            let member = shape_model["member"]["shape"].as_str().unwrap();
            values.iter().for_each(|value| assert_is_of(model, member, value));
        }
        "string" => {
            let text = value.as_str().unwrap_or_else(|| panic!("{shape}: {value}"));
            let limit =
                |bound: &str| shape_model[bound].as_u64().map(|n| usize::try_from(n).unwrap());
            let range = limit("min").unwrap_or(0)..=limit("max").unwrap_or(usize::MAX);
            assert!(range.contains(&text.len()), "{shape}: {text}");
            let enumeration = shape_model["enum"].as_array();
            assert!(enumeration.is_none_or(|values| values.contains(value)), "{shape}: {text}");
        }
        "boolean" => assert!(value.is_boolean(), "{shape}: {value}"),
        // awsJson1_1 uses seconds since 1970.
        "timestamp" => assert!(value.is_number(), "{shape}: {value}"),
        other => panic!("{shape}: {other}"),
    }
}
