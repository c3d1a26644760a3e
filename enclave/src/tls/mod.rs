//! TLS that ends here.

mod settings;

pub use settings::TlsSettings;
