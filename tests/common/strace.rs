//! Whether a process can be watched.
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::{env, process::Command};

/// Whether there is strace. Where CI is set there must be: what cannot be watched there was tested nowhere.
pub fn is_there() -> bool {
    let there = Command::new("strace").arg("-V").output().is_ok();
    assert!(there || env::var_os("CI").is_none(), "CI is set, and there is no strace");
    if !there {
        println!("skipped: this needs strace");
    }
    there
}
