//! One thread, virtual time, and a run queue from which chance draws: any interleaving of what the tasks do
//! between two suspensions can come up, and the same seed brings up the same.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use async_trait::async_trait;
use docvault::{Clock, Sleeper, Timestamp};

use super::chance::Chance;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Milliseconds since the run began, and who waits for which.
#[derive(Debug, Clone, Default)]
pub struct Time(Arc<Mutex<Timers>>);

#[derive(Debug, Default)]
struct Timers {
    now: u64,
    /// Passed without anything happening.
    elapsed: u64,
    count: u64,
    waiting: BTreeMap<(u64, u64), Waker>,
}

impl Time {
    fn with<T>(&self, what: impl FnOnce(&mut Timers) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn now(&self) -> u64 {
        self.with(|timers| timers.now)
    }

    /// What a clock shows that is not ahead.
    pub fn shown(&self) -> u64 {
        self.with(|timers| timers.now + timers.elapsed)
    }

    /// Lets all clocks jump.
    pub fn elapse(&self, millis: u64) {
        self.with(|timers| timers.elapsed += millis);
    }

    pub async fn sleep(&self, millis: u64) {
        let until = self.now() + millis.max(1);
        let mut key = None;
        poll_fn(|context| {
            self.with(|timers| {
                if timers.now >= until {
                    return Poll::Ready(());
                }
                timers.count += 1;
                let key = *key.get_or_insert((until, timers.count));
                timers.waiting.insert(key, context.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }

    /// Goes on to the next instant that somebody waits for.
    fn advance(&self) -> bool {
        let due = self.with(|timers| {
            let Some(((at, _), _)) = timers.waiting.first_key_value() else { return Vec::new() };
            timers.now = *at;
            let later = timers.waiting.split_off(&(timers.now + 1, 0));
            std::mem::replace(&mut timers.waiting, later).into_values().collect()
        });
        due.iter().for_each(Waker::wake_by_ref);
        !due.is_empty()
    }
}

#[async_trait]
impl Sleeper for Time {
    async fn sleep(&self, duration: Duration) {
        Self::sleep(self, duration.as_millis() as u64).await;
    }
}

/// A process's clock, fast or slow by some.
#[derive(Debug)]
pub struct Hands {
    pub time: Time,
    pub ahead: u64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.time.shown() + self.ahead)
    }
}

/// Begins tasks, and ends all of a process at once.
#[derive(Clone, Default)]
pub struct Spawner(Rc<RefCell<Requests>>);

#[derive(Default)]
struct Requests {
    begun: Vec<(usize, Task)>,
    killed: Vec<usize>,
}

impl Spawner {
    pub fn spawn(&self, process: usize, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().begun.push((process, Box::pin(task)));
    }

    pub fn kill(&self, process: usize) {
        self.0.borrow_mut().killed.push(process);
    }
}

struct Ready {
    task: usize,
    queue: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.contains(&self.task) {
            queue.push(self.task);
        }
    }
}

/// Runs all tasks to their ends.
///
/// # Errors
///
/// If a task can never go on, or they go on for ever.
pub fn run(spawner: &Spawner, time: &Time, mut chance: Chance) -> Result<u64, String> {
    let queue = Arc::new(Mutex::new(Vec::new()));
    let mut tasks: BTreeMap<usize, (usize, Task)> = BTreeMap::new();
    let (mut count, mut polls) = (0, 0);
    loop {
        let Requests { begun, killed } = std::mem::take(&mut *spawner.0.borrow_mut());
        tasks.retain(|_, (process, _)| !killed.contains(process));
        for task in begun {
            tasks.insert(count, task);
            queue.lock().unwrap().push(count);
            count += 1;
        }
        let next = {
            let mut queue = queue.lock().unwrap();
            if queue.is_empty() {
                None
            } else {
                Some(chance.index(queue.len())).map(|at| queue.swap_remove(at))
            }
        };
        let Some(next) = next else {
            match (tasks.is_empty(), time.advance()) {
                (true, _) => return Ok(polls),
                (false, true) => continue,
                (false, false) => return Err("tasks wait for what never comes".into()),
            }
        };
        let Some((_, task)) = tasks.get_mut(&next) else { continue };
        let waker = Waker::from(Arc::new(Ready { task: next, queue: queue.clone() }));
        polls += 1;
        if polls > POLLS {
            return Err("this goes on for ever".into());
        }
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            tasks.remove(&next);
        }
    }
}

const POLLS: u64 = 1_000_000;
