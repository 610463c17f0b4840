//! Why a question is not answered.

use docvault::{Error, deposit::CarrierError};

/// The kind of an error, or why a carrier refuses.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(format!("{:?}", error.kind()))
    }
}

impl From<CarrierError> for Fault {
    fn from(error: CarrierError) -> Self {
        match error {
            CarrierError::Failed(error) => error.into(),
            refused => {
                let refused = format!("{refused:?}");
                Self(refused.replace("Refused(", "").split([' ', ')']).next().unwrap().to_owned())
            }
        }
    }
}
