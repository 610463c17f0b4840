//! Who leads a commit may be dropped at any suspension: whoever waits takes over, and nobody is told what is not so.
//!
//! Three tasks share a vault of one process. A task runs only when it was woken, so a hand-over that wakes nobody
//! shows as tasks that wait for ever. Schedules are exhausted up to a bound, as preemptions of the running task
//! (Musuvathi and Qadeer, "Iterative Context Bounding", PLDI 2007):
//! all of them if `DOCVAULT_EXHAUSTIVE` is set, a sample otherwise.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "hand_over/keyrings.rs"]
mod keyrings;

use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{block_on, vault_on};
use docvault::{
    CaseId, Error, NewStatement, NoSleep, Vault, VaultOptions,
    keys::{KeyWrap, LocalKey},
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};
use futures_lite::future::yield_now;
use interrupted::Interrupted;
use tempfile::TempDir;

/// Memory, each call of which suspends before its effect, and again before its answer.
#[derive(Debug)]
struct Suspending(Arc<MemoryStorage>);

#[async_trait]
impl Storage for Suspending {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        yield_now().await;
        let created = self.0.create(key, bytes).await;
        yield_now().await;
        created
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        yield_now().await;
        let read = self.0.read(key, range).await;
        yield_now().await;
        read
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        yield_now().await;
        let deleted = self.0.delete(key).await;
        yield_now().await;
        deleted
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        yield_now().await;
        let listed = self.0.list(prefix, after, limit).await;
        yield_now().await;
        listed
    }
}

/// A vault with one case, to be opened on a copy for each run.
struct Scene {
    objects: Arc<MemoryStorage>,
    folder: TempDir,
    vault: Vault,
    case: CaseId,
}

impl Scene {
    fn new() -> Self {
        block_on(async {
            let objects = Arc::new(MemoryStorage::new());
            let (vault, folder) = vault_on(objects.clone()).await;
            let case = vault.session("a").purpose("p").begin().unwrap().create_case("c").await.unwrap();
            Self { objects, folder, vault, case }
        })
    }

    async fn open(&self, objects: impl Into<Arc<MemoryStorage>>) -> Vault {
        self.open_by(self.key(), objects).await
    }

    async fn open_by(&self, key: impl KeyWrap, objects: impl Into<Arc<MemoryStorage>>) -> Vault {
        let options = VaultOptions::default().sleeper(NoSleep::default());
        let storage = Arc::new(Suspending(objects.into()));
        Vault::open_with(storage, Arc::new(key), &self.vault.pin(), options).await.unwrap()
    }

    fn key(&self) -> LocalKey {
        LocalKey::load(self.folder.path().join("key")).unwrap()
    }

    /// How often each task's statement stands in the log, in which nothing else may have been added.
    async fn stated(&self, vault: &Vault) -> BTreeMap<u8, usize> {
        vault.audit().verify_from_genesis().await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let mut stated = BTreeMap::new();
        for statement in desk.statements(self.case, None).await.unwrap().statements {
            *stated.entry(statement.payload[0]).or_default() += 1;
        }
        stated
    }
}

async fn state(vault: &Vault, case: CaseId, task: u8) -> Result<(), Error> {
    let desk = vault.session("a").purpose("p").begin().unwrap();
    desk.make_statement(case, NewStatement::on("t").payload(vec![task])).await.map(drop)
}

/// Tasks in the order in which they were woken.
#[derive(Default)]
struct Woken(Mutex<VecDeque<usize>>);

struct Waking {
    task: usize,
    woken: Arc<Woken>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.0.lock().unwrap();
        if !woken.contains(&self.task) {
            woken.push_back(self.task);
        }
    }
}

/// When the running task has to let the one that waits longest go first, and when it is dropped, counted in polls of all.
#[derive(Debug, Clone, Copy, Default)]
struct Schedule {
    preempted: [Option<usize>; 2],
    dropped: [Option<usize>; 2],
}

#[derive(Debug, PartialEq)]
enum End {
    Done,
    Failed,
    Dropped,
}

type Task<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// Runs the tasks to their ends; gives these, and the number of polls.
fn run(tasks: Vec<Task<'_>>, schedule: &Schedule) -> (Vec<End>, usize) {
    let woken = Arc::new(Woken(Mutex::new((0..tasks.len()).collect())));
    let mut ends: Vec<Option<End>> = tasks.iter().map(|_| None).collect();
    let mut tasks: Vec<Option<Task<'_>>> = tasks.into_iter().map(Some).collect();
    let (mut polls, mut last) = (0, 0);
    while ends.iter().any(Option::is_none) {
        let next = {
            let mut woken = woken.0.lock().unwrap();
            // Who ran last goes on, unless it is preempted here.
            let at = woken.iter().position(|task| *task == last).unwrap_or(0);
            let at = if schedule.preempted.contains(&Some(polls)) { usize::from(at == 0) } else { at };
            let at = at.min(woken.len().saturating_sub(1));
            woken.remove(at)
        };
        let Some(next) = next else { panic!("{schedule:?}: who is left waits for ever: {ends:?}") };
        let Some(task) = &mut tasks[next] else { continue };
        let waker = Waker::from(Arc::new(Waking { task: next, woken: woken.clone() }));
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        let end = match polled {
            Poll::Ready(Ok(())) => Some(End::Done),
            Poll::Ready(Err(_)) => Some(End::Failed),
            Poll::Pending if schedule.dropped.contains(&Some(polls)) => Some(End::Dropped),
            Poll::Pending => None,
        };
        if end.is_some() {
            tasks[next] = None;
            ends[next] = end;
        }
        polls += 1;
        last = next;
    }
    (ends.into_iter().flatten().collect(), polls)
}

/// Three statements under a schedule: done is there once, dropped at most once; gives the number of polls, and of
/// tasks that were dropped.
fn play(scene: &Scene, schedule: &Schedule) -> (usize, usize) {
    let objects = scene.objects.snapshot();
    let vault = block_on(scene.open(objects));
    let tasks: Vec<Task<'_>> =
        (0..3).map(|task| Box::pin(state(&vault, scene.case, task)) as Task<'_>).collect();
    let (ends, polls) = run(tasks, schedule);
    block_on(async {
        let stated = scene.stated(&vault).await;
        for (task, end) in (0..).zip(&ends) {
            match (end, stated.get(&task).copied().unwrap_or(0)) {
                (End::Done, 1) | (End::Dropped, 0 | 1) => {}
                other => panic!("{schedule:?}: of task {task} {other:?}"),
            }
        }
    });
    (polls, ends.iter().filter(|end| **end == End::Dropped).count())
}

#[test]
fn a_leader_that_is_dropped_at_any_suspension_is_succeeded() {
    let scene = Scene::new();
    let (alone, _) = play(&scene, &Schedule::default());
    assert!(alone > 12, "{alone} polls");
    let (mut runs, mut dropped) = (0, 0);
    let all = std::env::var_os("DOCVAULT_EXHAUSTIVE").is_some();
    // A drop makes a run longer: whoever waits begins anew.
    let until = alone + 8;
    let pairs = || (0..until).flat_map(move |first| (first..until).map(move |then| (first, then)));
    for (first, then) in pairs() {
        for other in (0..until).filter(|other| all || [first, then].contains(other)) {
            // One is dropped where two are preempted; two are dropped, one after the other, where one is.
            let [first, then, other] = [Some(first), Some(then), Some(other)];
            for schedule in [
                Schedule { preempted: [first, then], dropped: [other, None] },
                Schedule { preempted: [other, None], dropped: [first, then] },
            ] {
                dropped += play(&scene, &schedule).1;
                runs += 1;
            }
        }
    }
    println!("{runs} runs of some {alone} polls, {dropped} tasks dropped");
    assert!(dropped > runs / 2, "{dropped} dropped in {runs} runs");
}

/// Its answer, or none if it is given up, after so many polls.
async fn given_up<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let (mut future, mut left) = (Box::pin(future), polls);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The same between threads, where the code between two suspensions runs at once, too.
#[test]
fn leaders_that_are_dropped_are_succeeded_by_other_threads() {
    let scene = Scene::new();
    let vault = block_on(scene.open(scene.objects.snapshot()));
    let ends: Vec<(u8, Option<Result<(), Error>>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4u8)
            .map(|thread| {
                let (vault, case) = (&vault, scene.case);
                scope.spawn(move || {
                    (0..50u8)
                        .map(|turn| {
                            let (task, polls) = (thread * 50 + turn, usize::from(turn % 5));
                            let polls = if turn % 3 == 0 { usize::MAX } else { polls };
                            (task, block_on(given_up(state(vault, case, task), polls)))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let stated = block_on(scene.stated(&vault));
    let dropped = ends.iter().filter(|(_, end)| end.is_none()).count();
    assert!(dropped > 20 && ends.len() - dropped > 60, "{dropped} of {} were dropped", ends.len());
    for (task, end) in &ends {
        match (end, stated.get(task).copied().unwrap_or(0)) {
            (Some(Ok(())), 1) | (None, 0 | 1) => {}
            other => panic!("of task {task} {other:?}"),
        }
    }
}

/// Threads that follow the log and state: a wake-up that is lost shows as one that waits for ever.
#[test]
fn threads_that_follow_and_commit_all_come_to_their_end() {
    let (vault, _folder) = block_on(vault_on(Arc::new(MemoryStorage::new())));
    let case = block_on(vault.session("a").purpose("p").begin().unwrap().create_case("c")).unwrap();
    let (done, waits) = mpsc::channel();
    for number in 0..4 {
        let (vault, done) = (vault.clone(), done.clone());
        thread::spawn(move || {
            for round in 0..2000 {
                if (round + u32::from(number)) % 8 == 0 {
                    block_on(state(&vault, case, number)).unwrap();
                } else {
                    block_on(follow(&vault)).unwrap();
                }
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        waits.recv_timeout(FOR_EVER).expect("one waits for ever");
    }
}

/// Longer than all of them take.
const FOR_EVER: Duration = Duration::from_secs(120);

/// Begins a call, of which there are several kinds.
type Call = fn(&Vault, CaseId) -> Task<'_>;

/// How many polls a call needs whose storage answers every call after two.
const MANY: usize = 4000;

/// The answer of a call that is polled so often at most.
fn polled(call: &mut Task<'_>, polls: usize) -> Option<Result<(), Error>> {
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match call.as_mut().poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    })
}

/// A call that is kept, after so many polls, while another one is polled to its end; then it goes on itself, if it
/// is to. Whether it ended before.
fn left_alone(
    scene: &Scene,
    vault: &Vault,
    [first, then]: [Task<'_>; 2],
    polls: usize,
    goes_on: bool,
) -> bool {
    let (mut first, mut then) = (first, then);
    if polled(&mut first, polls).is_some() {
        return true;
    }
    let answered = polled(&mut then, MANY);
    answered.unwrap_or_else(|| panic!("after {polls} polls of one call another waits for ever")).unwrap();
    if goes_on {
        polled(&mut first, MANY).expect("it goes on").unwrap();
    }
    drop(first);
    let stated = block_on(scene.stated(vault));
    assert!(stated[&2] == 1 && stated.values().all(|times| *times == 1), "{stated:?}");
    false
}

async fn browse(vault: &Vault, case: CaseId) -> Result<(), Error> {
    vault.session("a").purpose("p").begin().unwrap().describe_case(case).await.map(drop)
}

async fn follow(vault: &Vault) -> Result<(), Error> {
    vault.sync().await.map(drop)
}

/// Whoever is polled goes on with what was begun: a call that is kept and left alone keeps nobody waiting, not in the
/// proof of the backend, in a commit, in the fold behind it, nor while it follows the log.
#[test]
fn a_call_that_is_left_alone_at_any_suspension_keeps_nobody_waiting() {
    let kinds: [(&str, Call); 3] = [
        ("a statement", |vault, case| Box::pin(state(vault, case, 1))),
        ("a look", |vault, case| Box::pin(browse(vault, case))),
        ("following", |vault, _| Box::pin(follow(vault))),
    ];
    let mut suspensions = 0;
    // With the second one a fold is due after one commit.
    for records in [0, 253] {
        let scene = Scene::new();
        (0..records).for_each(|_| block_on(browse(&scene.vault, scene.case)).unwrap());
        for (name, call) in kinds {
            let ends = |polls, goes_on| {
                let vault = block_on(scene.open(scene.objects.snapshot()));
                let then: Task<'_> = Box::pin(state(&vault, scene.case, 2));
                left_alone(&scene, &vault, [call(&vault, scene.case), then], polls, goes_on)
            };
            let polls = (0..).find(|polls| ends(*polls, false) | ends(*polls, true)).unwrap();
            println!("{name}, after {records} records: {polls}");
            suspensions += polls;
        }
    }
    println!("{suspensions} suspensions");
    assert!(suspensions > 60, "{suspensions} suspensions");
}

/// A panic of the storage is one call's, the one that does the work for all: the others go on.
#[test]
fn a_storage_that_panics_ends_one_call() {
    let scene = Scene::new();
    let mut panics = 0;
    for nth in 0.. {
        let objects = Arc::new(scene.objects.snapshot());
        let place = Arc::new(Interrupted::new(objects));
        let vault = block_on(Vault::open(place.clone(), scene.key(), &scene.vault.pin())).unwrap();
        place.interrupt_at(nth, || std::panic::panic_any(7_u8));
        let mut tasks: Vec<Task<'_>> =
            (1..=3).map(|task| -> Task<'_> { Box::pin(state(&vault, scene.case, task)) }).collect();
        let panics_in = |task: &mut Task<'_>, polls| {
            catch_unwind(AssertUnwindSafe(|| polled(task, polls).map(Result::unwrap))).map_err(drop)
        };
        // All wait before the first of them goes on.
        tasks.retain_mut(|task| panics_in(task, 1) == Ok(None));
        tasks.retain_mut(|task| {
            panics_in(task, MANY).map(|ended| ended.expect("nobody waits for ever")).is_ok()
        });
        let panicked = 3 - tasks.len();
        drop(tasks);
        if place.interrupted().is_none() {
            break;
        }
        block_on(state(&vault, scene.case, 4)).unwrap();
        let stated = block_on(scene.stated(&vault));
        let others = stated.iter().filter(|(_, times)| **times == 1).count();
        assert!(others >= 4 - panicked && stated.values().all(|times| *times == 1), "{nth}: {stated:?}");
        assert!(panicked <= 1, "{nth}");
        panics += panicked;
    }
    assert!(panics > 4, "{panics}");
}
