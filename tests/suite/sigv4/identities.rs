//! The identities with which clients sign requests, and the results that `config.toml` causes. The
//! results are the same for every client.

/// The credentials and the region with which a client signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) region: &'static str,
    pub(crate) access_key_id: &'static str,
    pub(crate) secret_access_key: &'static str,
    pub(crate) session_token: Option<&'static str>,
}

/// May call every operation.
pub(crate) const WALLET: Identity = Identity {
    region: "eu-west-1",
    access_key_id: "AKIDEXAMPLE",
    secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: None,
};
/// The same principal with a temporary credential.
pub(crate) const TEMPORARY: Identity = Identity {
    access_key_id: "ASIDEXAMPLE",
    secret_access_key: "temporary/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: Some("IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1+west/1IkcwRQIhAEXAMPLE=="),
    ..WALLET
};
/// An expired temporary credential.
const EXPIRED: Identity = Identity {
    access_key_id: "ASIDEXPIRED",
    secret_access_key: "expired/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: Some("FwoGZXIvYXdzEXAMPLE//////////EaDExpired=="),
    ..WALLET
};
/// May only list custom key stores.
const AUDITOR: Identity = Identity {
    access_key_id: "AKIDAUDITOR",
    secret_access_key: "auditor/K7MDENG+bPxRfiCYEXAMPLEKEY",
    ..WALLET
};
/// May call every operation except GenerateRandom.
const SUSPENDED: Identity = Identity {
    access_key_id: "AKIDSUSPENDED",
    secret_access_key: "suspended/K7MDENG+bPxRfiCYEXAMPLEKEY",
    ..WALLET
};

/// The principal of [`WALLET`] and [`TEMPORARY`].
pub(crate) const WALLET_ARN: &str = "arn:aws:iam::123456789012:role/wallet";

/// The error of KMS for a signature that does not match.
pub(crate) const MISMATCH: (&str, &str) = (
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check your AWS \
     Secret Access Key and signing method. Consult the service documentation for details.",
);
const UNRECOGNIZED: (&str, &str) =
    ("UnrecognizedClientException", "The security token included in the request is invalid.");

/// An operation, called without a Recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    GenerateRandom,
    DescribeCustomKeyStores,
}

/// A request that the service rejects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RejectedCase {
    /// A description of the reason for the rejection.
    pub(crate) reason: &'static str,
    /// The identity that signs the request.
    pub(crate) identity: Identity,
    /// The operation of the request.
    pub(crate) operation: Operation,
    /// The error's name and its message.
    pub(crate) error: (&'static str, &'static str),
    /// The principal in the audit record. `None` if the caller is unauthenticated.
    pub(crate) authenticated: Option<&'static str>,
}

/// Every kind of invalid signature and every kind of denial.
pub(crate) const REJECTED_CASES: [RejectedCase; 12] = [
    unauthenticated(
        "wrong secret",
        Identity { secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", ..WALLET },
        MISMATCH,
    ),
    unauthenticated(
        "secret of another access key",
        Identity { secret_access_key: AUDITOR.secret_access_key, ..WALLET },
        MISMATCH,
    ),
    unauthenticated(
        "unknown access key",
        Identity { access_key_id: "AKIDNOBODY", ..WALLET },
        UNRECOGNIZED,
    ),
    unauthenticated(
        "wrong region",
        Identity { region: "us-east-1", ..WALLET },
        ("InvalidSignatureException", "Credential should be scoped to a valid region. "),
    ),
    unauthenticated(
        "wrong session token",
        Identity { session_token: EXPIRED.session_token, ..TEMPORARY },
        UNRECOGNIZED,
    ),
    unauthenticated(
        "no session token",
        Identity { session_token: None, ..TEMPORARY },
        UNRECOGNIZED,
    ),
    unauthenticated(
        "session token for a credential without one",
        Identity { session_token: TEMPORARY.session_token, ..WALLET },
        UNRECOGNIZED,
    ),
    unauthenticated(
        "expired credential",
        EXPIRED,
        ("ExpiredTokenException", "The security token included in the request is expired"),
    ),
    unauthenticated(
        "wrong secret of an expired credential",
        Identity { secret_access_key: WALLET.secret_access_key, ..EXPIRED },
        MISMATCH,
    ),
    RejectedCase {
        operation: Operation::DescribeCustomKeyStores,
        ..unauthenticated(
            "wrong secret for DescribeCustomKeyStores",
            Identity { secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", ..WALLET },
            MISMATCH,
        )
    },
    RejectedCase {
        authenticated: Some("arn:aws:iam::123456789012:user/auditor"),
        ..unauthenticated(
            "no policy allows the operation",
            AUDITOR,
            (
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/auditor is not authorized to perform: \
                 kms:GenerateRandom on resource: * because no identity-based policy allows the \
                 kms:GenerateRandom action",
            ),
        )
    },
    RejectedCase {
        authenticated: Some("arn:aws:sts::123456789012:assumed-role/wallet/suspended"),
        ..unauthenticated(
            "one policy denies, another allows the operation",
            SUSPENDED,
            (
                "AccessDeniedException",
                "User: arn:aws:sts::123456789012:assumed-role/wallet/suspended is not authorized \
                 to perform: kms:GenerateRandom on resource: * with an explicit deny in an \
                 identity-based policy",
            ),
        )
    },
];

/// Creates a rejected GenerateRandom request whose caller stays unauthenticated.
const fn unauthenticated(
    reason: &'static str,
    identity: Identity,
    error: (&'static str, &'static str),
) -> RejectedCase {
    RejectedCase {
        reason,
        identity,
        operation: Operation::GenerateRandom,
        error,
        authenticated: None,
    }
}

/// Identities that may list key stores, including those that are denied GenerateRandom.
pub(crate) const ALLOWED_TO_LIST: [Identity; 4] = [WALLET, TEMPORARY, AUDITOR, SUSPENDED];
