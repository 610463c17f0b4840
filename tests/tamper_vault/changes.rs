//! What changes a vault for good: on altered objects it may fail, and must leave nothing worse than it was.

use std::sync::Arc;

use docvault::{ErrorKind, storage::Storage};

use super::{
    overlay::Overlay,
    questions::{Answer, contents, desk, fact, honest},
    template::Template,
};

/// Another epoch, under which everything opens.
pub(super) async fn rotate(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let epoch = desk(template, storage.clone()).await?.rotate_epoch().await?;
    Ok([vec![fact(epoch)], contents(template, storage, None).await?].concat())
}

/// A case, whose key is gone then, whatever was shown meanwhile.
pub(super) async fn erase(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage.clone()).await?;
    let erasure = desk.erase_case(template.spare).await?;
    let described = honest(desk.describe_case(template.spare).await, ErrorKind::Erased)?;
    storage.heal();
    let keys = storage.list(&format!("key/{}/", template.spare), None, 1).await.unwrap();
    assert_eq!(keys, [], "an erased case has a key");
    Ok(vec![fact((erasure.case, erasure.level, described))])
}
