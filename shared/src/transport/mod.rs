//! Endpoints: how the parts of the service reach each other.
