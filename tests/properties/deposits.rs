//! Of requests, of deposits and of who carries them, no secret is printed.

use std::{fmt::Debug, sync::Arc};

use docvault::{
    Vault,
    deposit::{IncomingDeposit, SignedRequest, Verdict},
    keys::LocalKey,
    storage::MemoryStorage,
};

use super::secrets::Secrets;
use crate::{
    common::block_on,
    forge::{Holder, secret_of},
    intake::*,
    toolkit::options,
};

/// An office whose vault's keys are among the secrets, and a request whose link is, too.
async fn office(secrets: &mut Secrets) -> (Intake, SignedRequest) {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let options = options().entropy(secrets.entropy.clone());
    let vault = Vault::create_with(Arc::new(MemoryStorage::default()), key, options).await.unwrap();
    let office = Intake::of(vault).await;
    let signed = office.request().await;
    let secret = secret_of(&signed.link.expose_url("").unwrap());
    secrets.known.extend([secret.to_vec(), Holder::of(&signed).root.to_vec(), [77; 32].to_vec()]);
    (office, signed)
}

#[test]
fn p21_nothing_of_a_deposit_prints_a_secret() {
    block_on(async {
        let mut secrets = Secrets { texts: vec!["PEJU850101AB1".into()], ..Secrets::default() };
        let (office, signed) = office(&mut secrets).await;
        let contents = [content(1, 70_000)];
        secrets.known.push(contents[0][..64].to_vec());
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        let terms = office.terms().passphrase("PEJU850101AB1");
        let request = office.desk.request_secrets(office.case, signed.descriptor.request()).await.unwrap();
        let printed: [&dyn Debug; 8] = [
            &carrier_key(),
            &carrier,
            &terms,
            &signed,
            &signed.link,
            &request,
            &opened,
            &opened.descriptor(),
        ];
        printed.into_iter().for_each(|printed| secrets.check(printed));
        let mut client = opened.begin(0, files(&contents), &secrets.entropy).unwrap();
        secrets.check(&client);
        let promise = deposit(&carrier, &mut client, &contents).await.unwrap();
        secrets.check(&(&client, &promise));
        let journal = client.journal(&secrets.entropy).unwrap();
        secrets.check(&opened.resume(&journal).unwrap());
        let inbox = office.inbox(&signed).await;
        secrets.check(&inbox);
        let incoming = inbox.deposit(&promise).await.unwrap();
        secrets.check(&incoming);
        read_and_answered(&secrets, &office, &incoming).await;
        assert!(secrets.finds(&secret_of(&signed.link.expose_url("").unwrap())));
    });
}

async fn read_and_answered(secrets: &Secrets, office: &Intake, incoming: &IncomingDeposit) {
    let mut reader = incoming.read(0).unwrap();
    secrets.check(&reader);
    secrets.check(&reader.next().await.unwrap());
    secrets.check(&reader);
    secrets.check(&office.answer(incoming, "official-id", Verdict::Accepted).await);
}
