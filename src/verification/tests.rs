use futures_lite::future::block_on;

use super::*;
use crate::ledger::forgery::folded::with_another_record_behind;

/// It opens by its tiles, which prove a tree for the pin and for the change of keys, and no other record.
#[test]
fn what_is_verified_is_the_tree_of_the_records_that_are_walked() {
    for (altered, refused) in [(None, None), (Some(40), Some(ErrorKind::Corrupt))] {
        let verified = block_on(async {
            let (storage, pin) = with_another_record_behind(altered).await;
            let reader = LogReader::open(storage, &pin).await.expect("it opens");
            let from_the_first = reader.verify_from_genesis(&mut |_, _| {}).await.map(drop);
            (reader.verify(&pin).await.map(|verified| verified.freshness), from_the_first)
        });
        let (by_pin, from_the_first) = verified;
        assert_eq!(by_pin.as_ref().err().map(Error::kind), refused);
        assert!(by_pin.is_err() || by_pin.is_ok_and(|fresh| fresh == Freshness::FreshByPin));
        assert_eq!(from_the_first.err().map(|error| error.kind()), refused);
    }
}
