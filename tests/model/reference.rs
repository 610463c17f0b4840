//! What a vault is, without storage, keys, log or processes: a few lists.

use std::collections::{BTreeMap, BTreeSet};

use docvault::{CaseId, DocumentId, ErrorKind, GrantId, Scope, VersionId};

/// An answer, or how it is refused.
pub type Answer<T> = Result<T, ErrorKind>;

#[derive(Debug, Default)]
pub struct Model {
    pub now: u64,
    /// Counts what changes something, so that "before" can be told.
    order: u64,
    pub cases: BTreeMap<CaseId, Case>,
    pub documents: BTreeMap<DocumentId, Vec<Version>>,
    pub grants: BTreeMap<GrantId, Grant>,
    pub uploads: Vec<Upload>,
    pub slots: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub title: String,
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    pub name: String,
    pub reason: String,
    pub pages: Vec<Vec<u8>>,
    order: u64,
}

impl Version {
    pub fn content(&self) -> Vec<u8> {
        self.pages.concat()
    }
}

#[derive(Debug, Clone)]
pub struct Grant {
    following: bool,
    made: u64,
    pub revoked: bool,
    delivered: Vec<u64>,
}

/// An upload that may be gone on with.
#[derive(Debug, Clone)]
pub struct Upload {
    pub token: Vec<u8>,
    pub case: CaseId,
    /// The document it replaces; a new one if none.
    pub replaces: Option<DocumentId>,
    pub name: String,
    /// Finished when the token was taken.
    pub pages: Vec<Vec<u8>>,
    /// It left objects that a collection can find.
    pub left_objects: bool,
    pub expiry: u64,
    /// What a run that could not finish was about to be.
    pub about_to_be: Option<Vec<Vec<u8>>>,
    pub over: bool,
}

impl Model {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn open_case(&self, case: CaseId) -> Answer<()> {
        match self.cases.get(&case) {
            None => Err(ErrorKind::NotFound),
            Some(case) if case.closed => Err(ErrorKind::Denied),
            Some(_) => Ok(()),
        }
    }

    pub fn set_closed(&mut self, case: CaseId, closed: bool) -> Answer<()> {
        let case = self.cases.get_mut(&case).ok_or(ErrorKind::NotFound)?;
        if case.closed == closed {
            return Err(ErrorKind::Denied);
        }
        case.closed = closed;
        Ok(())
    }

    /// Whether something may be stored in a case, as a new document or over one that is there.
    pub fn may_store(&self, case: CaseId, replaces: Option<DocumentId>) -> Answer<()> {
        self.open_case(case)?;
        let there = replaces.is_none_or(|document| self.documents.contains_key(&document));
        if there { Ok(()) } else { Err(ErrorKind::NotFound) }
    }

    pub fn stored(
        &mut self,
        document: DocumentId,
        id: VersionId,
        name: &str,
        reason: &str,
        pages: Vec<Vec<u8>>,
    ) {
        let order = self.next();
        let version = Version { id, name: name.into(), reason: reason.into(), pages, order };
        self.documents.entry(document).or_default().push(version);
    }

    pub fn newest(&self, document: DocumentId) -> Answer<&Version> {
        self.documents.get(&document).and_then(|versions| versions.last()).ok_or(ErrorKind::NotFound)
    }

    pub fn documents_of(&self, case: CaseId) -> BTreeMap<DocumentId, &Version> {
        let of_case = self.documents.iter().filter(|(document, _)| document.case() == case);
        of_case.filter_map(|(document, versions)| Some((*document, versions.last()?))).collect()
    }

    /// Whether an upload can be gone on with: then it lasts for another week.
    pub fn resume(&mut self, upload: usize) -> Answer<()> {
        let Upload { case, over, .. } = self.uploads[upload];
        if over {
            return Err(ErrorKind::Denied);
        }
        self.open_case(case)?;
        self.uploads[upload].expiry = self.now + WEEK;
        Ok(())
    }

    /// Whether an upload finishes as these pages.
    pub fn finish(&mut self, upload: usize, pages: &[Vec<u8>]) -> Answer<()> {
        let Upload { case, over, about_to_be, .. } = &self.uploads[upload];
        let (case, over) = (*case, *over);
        if about_to_be.as_ref().is_some_and(|other| other != pages) {
            return Err(ErrorKind::Denied);
        }
        let upload = &mut self.uploads[upload];
        (upload.about_to_be, upload.left_objects) = (Some(pages.to_vec()), true);
        if over {
            return Err(ErrorKind::Denied);
        }
        self.open_case(case)
    }

    pub fn may_grant(&self, scope: Scope) -> Answer<()> {
        self.open_case(scope.case())
    }

    pub fn granted(&mut self, id: GrantId, following: bool) {
        let made = self.next();
        self.grants.insert(id, Grant { following, made, revoked: false, delivered: Vec::new() });
    }

    fn in_scope(&self, scope: Scope) -> impl Iterator<Item = (&DocumentId, &Vec<Version>)> {
        self.documents.iter().filter(move |(document, _)| match scope {
            Scope::Document(only) => **document == only,
            _ => document.case() == scope.case(),
        })
    }

    /// What a delivery now holds.
    pub fn deliver(&mut self, id: GrantId) -> Answer<BTreeMap<DocumentId, Version>> {
        let grant = self.grants.get(&id).ok_or(ErrorKind::NotFound)?;
        if grant.revoked {
            return Err(ErrorKind::Denied);
        }
        let until = if grant.following { u64::MAX } else { grant.made };
        let newest =
            |versions: &Vec<Version>| versions.iter().rfind(|version| version.order < until).cloned();
        let held = self.in_scope(id.scope());
        let held = held.filter_map(|(document, versions)| Some((*document, newest(versions)?))).collect();
        let order = self.next();
        self.grants.get_mut(&id).expect("looked up above").delivered.push(order);
        Ok(held)
    }

    /// Deliveries made, and versions that stay exposed.
    pub fn revoke(&mut self, id: GrantId) -> Answer<(usize, BTreeSet<(DocumentId, VersionId)>)> {
        let grant = self.grants.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        if grant.revoked {
            return Err(ErrorKind::Denied);
        }
        grant.revoked = true;
        let grant = grant.clone();
        let last = grant.delivered.last().copied().unwrap_or(0);
        let mut exposed = BTreeSet::new();
        for (document, versions) in self.in_scope(id.scope()) {
            let before = |limit| versions.iter().filter(move |version| version.order < limit);
            match (grant.delivered.is_empty(), grant.following) {
                (true, _) => {}
                (false, true) => exposed.extend(before(last).map(|version| (*document, version.id))),
                (false, false) => {
                    exposed.extend(before(grant.made).next_back().map(|version| (*document, version.id)));
                }
            }
        }
        Ok((grant.delivered.len(), exposed))
    }

    /// Grants by which a document can be opened, or could once be: revoked or not, and deliveries made.
    pub fn openers(&self, document: DocumentId) -> BTreeMap<GrantId, (bool, u64)> {
        let scopes = [Scope::Document(document), Scope::Case(document.case())];
        let shown = |grant: &Grant| !grant.revoked || !grant.delivered.is_empty();
        let about = self.grants.iter().filter(|(id, grant)| scopes.contains(&id.scope()) && shown(grant));
        about.map(|(id, grant)| (*id, (grant.revoked, grant.delivered.len() as u64))).collect()
    }

    /// Abandoned uploads are over.
    pub fn collect_garbage(&mut self) {
        let now = self.now;
        for upload in self.uploads.iter_mut().filter(|upload| upload.left_objects && upload.expiry <= now) {
            upload.over = true;
        }
    }
}

pub const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;
