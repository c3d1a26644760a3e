//! Checks of the same image after another boot: the effects of another configuration and of a
//! reboot.

use std::collections::BTreeSet;

use super::service::{enclave_document, pcrs_of_image};
use crate::clients::ServiceUrl;
use crate::guests::Guests;
use crate::kms_calls::{boto3, client, generate_concurrently, generate_random, plain};
use crate::virtual_machine::setting;

pub(super) fn one_byte_changes_pcr16(guests: &Guests) {
    let before = guests.configuration().pcrs();
    let machine = guests.second();
    let own = enclave_document(machine.as_ref().unwrap());
    let after = guests.configuration().pcrs();
    assert_eq!([&own.pcrs[&16], &own.pcrs[&17]], [&after[0].to_vec(), &after[1].to_vec()]);
    assert_ne!(own.pcrs[&16], before[0]);
    assert_eq!(own.pcrs[&17], before[1]);
    let image = pcrs_of_image(&setting("EIF").join("pcrs.json"));
    assert_eq!([0, 1, 2].map(|index| own.pcrs[&index].clone()).to_vec(), image);
}

/// Requests plaintext from an enclave whose configuration differs in one byte. The change removes
/// the setting that allows plaintext.
pub(super) fn denies_plaintext_without_tls(guests: &Guests) {
    let machine = guests.second();
    let url = machine.as_ref().unwrap().service().url();
    let [outcome] = &boto3(&*url, &[generate_random(32, None)])[..] else { panic!() };
    assert_eq!(outcome.statuses(), [400]);
    let error = outcome.error.as_ref().unwrap();
    assert_eq!(error.name, "AccessDeniedException");
    assert!(error.message.contains("unless the connection uses attested TLS"), "{error:?}");
}

pub(super) fn reboot(guests: &Guests) {
    let before: BTreeSet<_> =
        guests.responses().into_iter().filter(|response| response.len() >= 32).collect();
    assert!(before.len() > 64, "the first enclave returned only {} responses", before.len());
    let mut machine = guests.second();
    let url = machine.as_ref().unwrap().service().url();
    let after = generate_concurrently(|| client(&url), guests.configuration(), 1);
    assert!(after.iter().all(|response| !before.contains(response)));
    guests.keep_console(machine.take().unwrap().console());
}

pub(super) fn configuration_in_image(guests: &Guests) {
    let earlier = guests.earlier_authority();
    let (guest, built) = guests.traced();
    let configuration = guests.tls_configuration();
    assert_eq!(guest.machine.admin().get("/readyz").0, 200);
    let own = guest.enclave_document();
    let [public, secrets] = configuration.pcrs();
    assert_eq!([&own.pcrs[&16], &own.pcrs[&17]], [&public.to_vec(), &secrets.to_vec()]);
    let [_, boot, application] = pcrs_of_image(&built.pcrs())[..] else { panic!() };
    assert_eq!([&own.pcrs[&1], &own.pcrs[&2]], [&boot.to_vec(), &application.to_vec()]);
    assert_ne!(application, pcrs_of_image(&setting("EIF").join("pcrs.json"))[2]);
    // The configuration is the same, but every boot creates new keys.
    assert_ne!(guest.authority.public_key(), earlier.public_key());
    let (url, authorities) = (guest.url(), [&*guest.authority, earlier]);
    let [own, earlier] =
        authorities.map(|authority| ServiceUrl { ca: Some(authority.path()), url: &url });
    plain(own);
    let [outcome] = &boto3(earlier, &[generate_random(32, None)])[..] else { panic!() };
    assert_eq!(outcome.error.as_ref().unwrap().name, "SSLError");
    assert!(outcome.responses.is_empty(), "{outcome:?}");
    guests.keep_console(guest.machine.console());
}
