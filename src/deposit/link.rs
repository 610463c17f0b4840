//! Links: what leads a client to a request, and the keys that follow from it (FORMAT §11.1).

use core::fmt;
use std::sync::{Arc, Weak};

use subtle::ConstantTimeEq;

use super::{descriptor::Descriptor, ids::RequestId, keys::RequestKeys};
use crate::{
    crypto::{
        hpke::{PublicKey, SecretKey},
        passphrase::{Cost, derive},
        schedule::{DEPOSIT_JOURNAL_KEY, INTAKE_SEED, LINK_ROOT, LINK_SECRET, LINK_SEED, subkey},
        sign::SigningKey,
    },
    error::{Error, Result},
    ids::{CaseId, VaultId},
    secret::{Holder, Secret, SecretBytes},
    text::{base64url, parse_base64url},
};

/// What a link carries behind its `#`: the hash of a request's descriptor, and a secret of 32 bytes.
///
/// The request's name, which a server needs to find it, is a [`RequestId`] in the URL before the `#`; the
/// fragment is kept by the client's browser and reaches no server.
///
/// # Security
///
/// Who has the link can read what is asked and add deposits within the request's caps; nothing else. It is
/// printed nowhere but by [`Link::expose_url`]. There is no link without the 32-byte secret: a passphrase is
/// only ever asked on top.
pub struct Link {
    digest: [u8; 32],
    secret: Secret<32>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link([REDACTED])")
    }
}

impl Link {
    pub(super) const fn new(digest: [u8; 32], secret: Secret<32>) -> Self {
        Self { digest, secret }
    }

    /// Takes a link from its whole URL, or from its fragment alone.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for anything but one version byte, a hash and a secret.
    pub fn parse(url: &str) -> Result<Self> {
        let fragment = url.split_once('#').map_or(url, |(_, fragment)| fragment);
        let bytes = parse_base64url(fragment).ok_or_else(not_a_link)?;
        let (version, rest) = bytes.split_first().ok_or_else(not_a_link)?;
        let (digest, secret) = rest.split_first_chunk::<32>().ok_or_else(not_a_link)?;
        let secret = Secret::<32>::copy_from(secret).ok_or_else(not_a_link)?;
        let none = bool::from(secret.expose().ct_eq(&[0; 32]));
        if *version == VERSION && !none { Ok(Self { digest: *digest, secret }) } else { Err(not_a_link()) }
    }

    /// The link at `page`, the URL of the page that opens it, as text for the client alone.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `page` has a fragment of its own.
    ///
    /// # Security
    ///
    /// The text is the secret. It belongs in the message to the client, and in no log, argument or query.
    pub fn expose_url(&self, page: &str) -> Result<String> {
        if page.contains('#') {
            return Err(Error::invalid("the page's URL has a fragment, where the link's own must stand"));
        }
        let bytes = SecretBytes::new([&[VERSION][..], &self.digest, self.secret.expose()].concat());
        let fragment = base64url(&bytes);
        // Grown, it would leave its beginnings behind.
        let mut url = String::with_capacity(page.len() + 1 + fragment.len());
        url.extend([page, "#", &fragment]);
        Ok(url)
    }

    /// SHA-256 of the descriptor that the link is for.
    #[must_use]
    pub const fn descriptor_digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) const fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}

#[cold]
fn no_room() -> Error {
    Error::denied("there are no 19 MiB of memory to try the request's passphrase in: free some and try again")
}

fn not_a_link() -> Error {
    Error::invalid("this is no link of a request, or a part of one: ask for the whole link")
}

/// The keys of whoever holds a link, and its passphrase if there is one.
pub(crate) struct LinkKeys {
    pub(super) root: Secret<32>,
}

impl LinkKeys {
    // FORMAT §11.1: passphrase key = Argon2id(passphrase, salt, 19,456 KiB, 2, 1, 32), or empty;
    //     link root = subkey(secret, "root of link", request, passphrase key)
    /// Derives the keys; takes about a tenth of a second, and 19 MiB, with a passphrase.
    ///
    /// # Errors
    ///
    /// Denied if there is not so much memory.
    pub(super) fn derive(
        secret: &Secret<32>,
        request: RequestId,
        passphrase: Option<(&str, &[u8; 16])>,
    ) -> Result<Self> {
        let stretch =
            |(text, salt): (&str, _)| derive(text.as_bytes(), salt, PASSPHRASE_COST).ok_or_else(no_room);
        let stretched = passphrase.map(stretch).transpose()?;
        let stretched = stretched.as_ref().map_or(&[][..], |key| key.expose());
        Ok(Self { root: subkey(secret, LINK_ROOT, &[request.as_bytes(), stretched]) })
    }

    /// The key that signs parts and manifests.
    pub(super) fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(subkey(&self.root, LINK_SEED, &[]))
    }

    pub(super) fn journal_key(&self) -> Secret<32> {
        subkey(&self.root, DEPOSIT_JOURNAL_KEY, &[])
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys([REDACTED])")
    }
}

/// A request's secrets, as its vault makes them from the case's key: they are stored nowhere, and gone
/// when the case is erased: here, too, as soon as the vault that gave them hears of it.
pub struct RequestSecrets(Arc<RequestKeys>);

impl RequestSecrets {
    pub(crate) fn derive(case_key: &Secret<32>, vault: VaultId, case: CaseId, request: RequestId) -> Self {
        let fields: [&[u8]; 3] = [vault.as_bytes(), case.as_bytes(), request.as_bytes()];
        let intake = SecretKey::from_seed(&subkey(case_key, INTAKE_SEED, &fields));
        Self(Arc::new(RequestKeys::new(case, subkey(case_key, LINK_SECRET, &fields), intake)))
    }

    /// Who is to be told that the case was erased.
    pub(crate) fn holder(&self) -> Weak<dyn Holder> {
        let keys: Weak<RequestKeys> = Arc::downgrade(&self.0);
        keys
    }

    /// The link to a request of these secrets, again, for its client alone.
    ///
    /// # Errors
    ///
    /// [`Erased`](crate::ErrorKind::Erased).
    ///
    /// # Security
    ///
    /// `request` must be the office's own, as signed or from [`Descriptor::verify`].
    pub fn link(&self, request: &Descriptor) -> Result<Link> {
        Ok(Link::new(*request.digest(), self.0.link()?))
    }

    pub(super) fn intake_key(&self) -> Result<PublicKey> {
        self.0.with_intake(SecretKey::public)
    }

    pub(super) const fn keys(&self) -> &Arc<RequestKeys> {
        &self.0
    }
}

impl fmt::Debug for RequestSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestSecrets([REDACTED])")
    }
}

const VERSION: u8 = 1;
/// The least that the OWASP Password Storage Cheat Sheet recommends: it is asked of telephones.
const PASSPHRASE_COST: Cost = Cost { memory: 19_456, passes: 2, lanes: 1 };
