//! What clients, whoever else and the office do with a carrier, four bytes a step, on a storage that fails, is late or loses
//! its process: what is acknowledged stays, each slot has its uses and no more, a refusal has the reason it says, and the
//! office opens exactly what was promised.
#![no_main]

#[path = "carrier/clients.rs"]
mod clients;
#[allow(dead_code, unused_imports, reason = "what tests share besides")]
#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "an office has more to do")]
#[path = "../../tests/common/intake.rs"]
mod intake;
#[path = "carrier/world.rs"]
mod world;

use core::time::Duration;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use clients::{Everyone, WAYS};
use docvault::storage::{
    Storage,
    testing::{CrashStorage, Fault, FaultyStorage, InFlight},
};
use futures_lite::future::{block_on, zip};
use world::{Call, How, World};

static EVERYONE: LazyLock<Everyone> = LazyLock::new(|| block_on(Everyone::new()));

/// What, of which deposit, and two numbers.
type Step = [u8; 4];

/// Where it begins, which says what it is and carries the signature.
fn altered(bytes: &Bytes, [how, at]: [u8; 2]) -> Bytes {
    let mut altered = bytes.to_vec();
    let (at, from) = (usize::from(at) * 5, usize::from(how) * 7);
    docvault::fuzzing::alter(&mut altered, [how % 6, how | 1], at, from, usize::from(how));
    altered.into()
}

/// A way, unless what is sent is not what was sealed.
fn sent(honest: &Bytes, way: usize, [which, more]: [u8; 2]) -> (Option<usize>, Bytes) {
    if which < 232 {
        return (Some(way), honest.clone());
    }
    let altered = altered(honest, [which, more]);
    ((altered == *honest).then_some(way), altered)
}

fn call([what, deposit, which, more]: Step) -> Option<Call> {
    let deposit = usize::from(deposit) % EVERYONE.deposits.len();
    let (way, of) = (usize::from(which) % WAYS, &EVERYONE.deposits[deposit]);
    match what % 16 {
        0 => Some(publish([which, more])),
        1..=5 => {
            let sealed = &of.ways[way];
            let place = (usize::from(which) / WAYS).checked_rem(sealed.places.len())?;
            let (way, bytes) = sent(&sealed.parts[place], way, [which, more]);
            Some(Call::Receive { deposit, place, way, bytes })
        }
        6..=8 => {
            let (way, bytes) = sent(&of.ways[way].manifest, way, [which, more]);
            Some(Call::Finish { deposit, way, bytes })
        }
        9 => Some(Call::Close { asked: of.asked }),
        _ => None,
    }
}

fn publish([which, more]: [u8; 2]) -> Call {
    let asked = usize::from(which % 2);
    let own = EVERYONE.asked[asked].signed.descriptor.to_bytes();
    match which % 4 {
        2 => Call::Publish { asked: None, bytes: EVERYONE.elsewhere.clone() },
        3 => {
            let bytes = altered(&own, [which, more]);
            Call::Publish { asked: (bytes == own).then_some(asked), bytes }
        }
        _ => Call::Publish { asked: Some(asked), bytes: own },
    }
}

/// One call, on a storage that fails, crashes, or does neither.
async fn alone(world: &mut World, call: &Call, [what, .., more]: Step) {
    let before = world.objects().await;
    let nth = usize::from(more % 16);
    let (told, failing) = match what / 16 {
        0..9 => (call.make(&world.carrier(world.kept.clone())).await, false),
        9..14 => {
            let fault = Fault::ALLOWED[usize::from(more / 16) % Fault::ALLOWED.len()];
            let faulty = Arc::new(FaultyStorage::script(world.kept.clone(), nth, fault));
            let told = call.make(&world.carrier(faulty.clone())).await;
            world.late.push(faulty);
            (told, true)
        }
        way => {
            let crashing = Arc::new(CrashStorage::new(&world.kept, nth));
            let told = call.make(&world.carrier(crashing.clone())).await;
            let found = crashing.recover(InFlight::BOTH[usize::from(way % 2)]).await.expect("memory");
            // What was late was the process's own.
            (world.kept, world.late) = (Arc::new(found), Vec::new());
            (told, true)
        }
    };
    world.judge(call, &told, How { alone: true, failing }, &before).await;
}

/// Two calls at once, of two processes, whose storage calls take turns by chance.
async fn at_once(world: &mut World, calls: [&Call; 2], seed: u8) {
    let before = world.objects().await;
    let carriers = [0, 1].map(|of: u64| {
        let slow = FaultyStorage::scripted(world.kept.clone(), []);
        let storage: Arc<dyn Storage> =
            Arc::new(slow.with_latency(u64::from(seed) * 2 + of, Duration::from_millis(3)));
        world.carrier(storage)
    });
    let told = zip(calls[0].make(&carriers[0]), calls[1].make(&carriers[1])).await;
    let how = How { alone: false, failing: false };
    world.judge(calls[0], &told.0, how, &before).await;
    world.judge(calls[1], &told.1, how, &before).await;
}

async fn other(world: &mut World, [what, deposit, which, more]: Step) {
    let deposit = usize::from(deposit) % EVERYONE.deposits.len();
    match what % 16 {
        10 => world.clock.forward(Duration::from_secs(15 * 60) * u32::from(which)),
        11 => {
            for late in core::mem::take(&mut world.late) {
                late.land().await.expect("memory");
            }
        }
        12 => world.look().await,
        13 => world.answer(deposit, u64::from(more)).await,
        14 => world.clear(deposit).await,
        _ => {}
    }
    world.holds(&world.objects().await);
}

async fn run(published: bool, steps: &[Step]) {
    let mut world = World::new();
    for asked in EVERYONE.asked.iter().filter(|_| published) {
        let carrier = world.carrier(world.kept.clone());
        carrier.publish(asked.signed.descriptor.to_bytes()).await.expect("its own");
    }
    let mut steps = steps.iter().copied();
    while let Some(step) = steps.next() {
        let pair = (step[0] % 16 == 15).then(|| (steps.next().and_then(call), steps.next().and_then(call)));
        match (call(step), pair) {
            (Some(call), _) => alone(&mut world, &call, step).await,
            (None, Some((Some(one), Some(two)))) => at_once(&mut world, [&one, &two], step[1]).await,
            (None, _) => other(&mut world, step).await,
        }
    }
    world.look().await;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, steps)) = data.split_first() else { return };
    let steps = steps.as_chunks().0;
    block_on(run(*first < 192, &steps[..steps.len().min(40)]));
});
