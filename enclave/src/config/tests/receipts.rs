//! The table `[receipts]`, and its effect on the IDs of custom key stores.

use super::*;
use crate::config::profile::Profile::Development;
use crate::receipts::ReceiptMode;

fn mode(text: &str) -> Result<ReceiptMode, String> {
    let settings = settings(text, Development).map_err(|error| error.to_string())?;
    Ok(settings.receipt_mode)
}

/// Returns a configuration with a key store whose ID has `length` characters.
fn with_key_store(mode: &str, length: usize) -> String {
    let id = format!("cks-{}", "a".repeat(length - 4));
    format!(
        "[receipts]\nmode = \"{mode}\"\n[[key_store]]\nid = \"{id}\"\nname = \"elsewhere\"\n\
         type = \"EXTERNAL_KEY_STORE\"\nuri = \"https://xks.example.com/kms/xks/v1\"\n"
    )
}

#[test]
fn reads_each_receipt_mode() {
    assert_eq!(mode(""), Ok(ReceiptMode::OnRequest));
    for expected in [ReceiptMode::OnRequest, ReceiptMode::Always, ReceiptMode::Off] {
        let text = format!("[receipts]\nmode = \"{}\"\n", expected.as_str());
        assert_eq!(mode(&text), Ok(expected));
    }
    for wrong in ["never", "On-Request", "on_request", ""] {
        let error = mode(&format!("[receipts]\nmode = \"{wrong}\"\n")).unwrap_err();
        let expected = "expected one of `on-request`, `always`, `off`";
        assert!(error.contains("line 2 ") && error.contains(expected), "{error}");
    }
    assert!(mode("[receipts]\nkey = \"a\"\n").unwrap_err().contains("unknown field `key`"));
}

#[test]
fn receipts_limit_the_length_of_key_store_ids() {
    for mode in ["on-request", "always"] {
        assert!(self::mode(&with_key_store(mode, 45)).is_ok());
        let error = self::mode(&with_key_store(mode, 46)).unwrap_err();
        let expected = "[[key_store]] number 1: id has 46 characters, over the maximum of 45 with receipts: \
             a receipt contains the id, and its header is limited to 600 characters; use a shorter id, or \
             set mode = \"off\" under [receipts]";
        assert!(error.ends_with(expected), "{error}");
    }
    assert_eq!(self::mode(&with_key_store("off", 64)), Ok(ReceiptMode::Off));
}
