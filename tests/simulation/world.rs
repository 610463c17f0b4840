//! One run: a storage, processes that begin, die and come back, and the end that is judged.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use docvault::{
    ErrorKind, Freshness, GrantId, NoSleep, OperationId, Pin, Vault, VaultOptions,
    storage::{
        MemoryStorage,
        testing::{Fault, FaultyStorage},
    },
};

use super::{
    chance::{Chance, Seeded},
    client::Client,
    delivered::{Granted, Holds},
    end,
    executor::{self, Hands, Spawner, Time},
    history::{End, History, Storages, Tag, What, is_on_record},
    malice,
    prefab::{Kept, Known, Prefab, RootKey},
    storage::{Liar, Trace, View, restore},
};

/// What a run came to, by name.
pub type Counts = BTreeMap<String, u64>;

pub struct World {
    pub storages: Storages,
    pub time: Time,
    pub spawner: Spawner,
    pub objects: Arc<MemoryStorage>,
    pub prefab: Rc<Prefab>,
    pub trace: Arc<Trace>,
    pub views: RefCell<Vec<Arc<View>>>,
    pub history: RefCell<History>,
    pub chance: RefCell<Chance>,
    /// Processes from this one on are owed answers.
    pub owed_from: Cell<usize>,
    /// The vault of the first process after a restored backup.
    pub survivor: RefCell<Option<Vault>>,
    seed: u64,
    known: RefCell<[Known; 2]>,
    pins: RefCell<Vec<Kept>>,
    counts: RefCell<Counts>,
    violation: RefCell<Option<String>>,
    tags: Cell<Tag>,
    processes: Cell<usize>,
}

/// How a run went.
pub struct Run {
    pub counts: Counts,
    pub digest: u64,
    pub trace: Vec<String>,
    pub verdict: Result<(), String>,
}

/// A run of a seed; told in full if asked.
pub fn run(seed: u64, prefabs: &[Rc<Prefab>], told: bool) -> Run {
    let mut chance = Chance::new(seed, 0);
    let storages = match chance.below(10) {
        0..=5 => Storages::Honest,
        6..=8 => Storages::Evil,
        _ => Storages::Restored,
    };
    // Liars need something to lie about: an older table.
    let young = if storages == Storages::Evil { 2 } else { 0 };
    let prefab = prefabs[young + chance.index(prefabs.len() - young)].clone();
    let world = Rc::new(World::new(seed, storages, prefab, told, chance));
    world.clone().begin(prefabs);
    let ran = executor::run(&world.spawner, &world.time, Chance::new(seed, 1));
    let verdict = ran.map(|polls| world.count_by("polls", polls)).and_then(|()| end::judge(&world));
    let verdict = world.violation.take().map_or(verdict, Err);
    for view in world.views.borrow().iter() {
        for (_, fault) in view.faulty.faults() {
            world.count(name_of(fault));
        }
        for (lie, times) in view.liar.shown() {
            world.count_by(&format!("lie shown: {lie}"), times);
        }
        world.count_by("storage calls", view.faulty.calls() as u64);
    }
    Run { counts: world.counts.take(), digest: world.trace.digest(), trace: world.trace.lines(), verdict }
}

fn name_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Error => "fault: error before",
        Fault::Applied => "fault: applied, then error",
        Fault::Late(_) => "fault: late",
        Fault::FalseExists => "fault: conflict, nothing written",
        Fault::Slow(_) => "fault: slow",
        Fault::StaleList => "fault: stale list",
        Fault::StaleRead => "fault: stale read",
        _ => "fault: another",
    }
}

impl World {
    fn new(seed: u64, storages: Storages, prefab: Rc<Prefab>, told: bool, chance: Chance) -> Self {
        let history = History::after(prefab.lists.clone(), prefab.granted.clone(), prefab.next_tag);
        Self {
            storages,
            time: Time::default(),
            spawner: Spawner::default(),
            objects: Arc::new(prefab.objects.snapshot()),
            trace: Arc::new(Trace::new(told)),
            views: RefCell::default(),
            history: RefCell::new(history),
            chance: RefCell::new(chance),
            owed_from: Cell::new(0),
            survivor: RefCell::default(),
            seed,
            known: RefCell::new([prefab.known.clone(), prefab.known.clone()]),
            pins: RefCell::default(),
            counts: RefCell::default(),
            violation: RefCell::default(),
            tags: Cell::new(prefab.next_tag),
            processes: Cell::new(0),
            prefab,
        }
    }

    pub fn draw(&self, bound: u64) -> u64 {
        self.chance.borrow_mut().below(bound)
    }

    fn begin(self: Rc<Self>, prefabs: &[Rc<Prefab>]) {
        self.count(&format!("runs, {:?}", self.storages));
        if self.storages == Storages::Restored {
            futures_lite::future::block_on(self.go_ahead_of_the_backup());
        }
        for _ in 0..2 + self.draw(2) {
            let kept = Kept(Arc::new(Mutex::new(self.prefab.pin.clone())));
            self.clone().start(kept, 0);
        }
        match self.storages {
            Storages::Honest => {}
            Storages::Evil => {
                let older = prefabs.iter().take_while(|older| older.pin.size() < self.prefab.pin.size());
                self.spawner.spawn(OPERATOR, malice::lie(self.clone(), older.cloned().collect()));
            }
            Storages::Restored => self.spawner.spawn(OPERATOR, self.clone().put_back()),
        }
    }

    /// So that whoever has opened the vault knows a record that the backup does not have.
    async fn go_ahead_of_the_backup(&self) {
        let vault = self.plain(&self.prefab.pin, 10).await.expect("an honest storage");
        let desk = vault.session("ahead").purpose("p").begin().expect("an actor");
        for _ in 0..1 + self.draw(3) {
            desk.outcome(OperationId::from_bytes([7; 16])).await.expect("an honest storage");
        }
    }

    /// A backup is put back under running processes, and another one begins with it.
    async fn put_back(self: Rc<Self>) {
        let when = self.draw(300);
        self.time.sleep(when).await;
        self.count("storage restored");
        self.say(|| "the storage is put back to a backup".into());
        restore(&self.objects, &self.prefab.objects).await;
        let kept = Kept(Arc::new(Mutex::new(self.prefab.pin.clone())));
        let (process, view) = self.enter(&kept);
        self.owed_from.set(process);
        // It opens at once: a listing in which others have already gone on in the old history names their newest.
        view.calm.store(true, Ordering::SeqCst);
        let Some(vault) = self.open(process, view.clone(), kept).await else { return };
        view.calm.store(false, Ordering::SeqCst);
        *self.survivor.borrow_mut() = Some(vault.clone());
        self.employ(process, &vault);
    }

    /// Begins a process that opens the vault with this pin.
    fn start(self: Rc<Self>, kept: Kept, died: u64) {
        let (process, view) = self.enter(&kept);
        self.spawner.spawn(process, self.clone().live(process, view.clone(), kept.clone()));
        if died < 2 && self.storages != Storages::Restored && self.draw(2) == 0 {
            let world = self.clone();
            self.spawner.spawn(OPERATOR, world.crash(process, view.clone(), kept, died + 1));
        }
        let (world, lands) = (self.clone(), self.draw(600));
        self.spawner.spawn(OPERATOR, async move {
            world.time.sleep(lands).await;
            let _ = view.faulty.land().await;
        });
    }

    /// A number and a view for one process more.
    fn enter(&self, kept: &Kept) -> (usize, Arc<View>) {
        let process = self.processes.get();
        self.processes.set(process + 1);
        self.pins.borrow_mut().push(kept.clone());
        let view = Arc::new(self.view(process));
        self.views.borrow_mut().push(view.clone());
        (process, view)
    }

    fn view(&self, process: usize) -> View {
        let mut chance = Chance::new(self.seed, 100 + process as u64);
        let liar = Arc::new(Liar::over(self.objects.clone()));
        let one_in = 15 + chance.below(60);
        let faulty = match self.storages {
            Storages::Evil => {
                let kinds: Vec<Fault> = Fault::ALLOWED.into_iter().chain([Fault::StaleRead; 5]).collect();
                FaultyStorage::scripted(liar.clone(), script(&mut chance, &kinds, one_in))
            }
            _ if chance.one_in(3) => {
                FaultyStorage::scripted(liar.clone(), script(&mut chance, &Fault::ALLOWED, one_in))
            }
            _ if chance.one_in(6) => FaultyStorage::scripted(liar.clone(), []),
            _ => FaultyStorage::seeded(liar.clone(), chance.next(), one_in),
        };
        let slow = chance.one_in(4);
        let longest = if slow { 30 + chance.below(150) } else { 1 + chance.below(8) };
        let faulty = faulty
            .with_latency(chance.next(), Duration::from_millis(longest))
            .sleeping(Arc::new(self.time.clone()));
        View { process, faulty, liar, calm: AtomicBool::new(false), trace: self.trace.clone() }
    }

    async fn live(self: Rc<Self>, process: usize, view: Arc<View>, kept: Kept) {
        if let Some(vault) = self.open(process, view, kept).await {
            self.employ(process, &vault);
        }
    }

    /// One or two tasks that share the process's vault.
    fn employ(self: &Rc<Self>, process: usize, vault: &Vault) {
        let mut chance = Chance::new(self.seed, 200 + process as u64);
        for _ in 0..1 + chance.below(2) {
            let desk = vault.session(format!("process-{process}")).purpose("p").begin().expect("an actor");
            let chance = Chance::new(chance.next(), 0);
            let client = Client { world: self.clone(), process, vault: vault.clone(), desk, chance };
            self.spawner.spawn(process, client.live());
        }
    }

    async fn open(&self, process: usize, view: Arc<View>, kept: Kept) -> Option<Vault> {
        let mut chance = Chance::new(self.seed, 300 + process as u64);
        let pin = kept.pin();
        // So that what was written before the run may be missed by nobody.
        self.expect("a kept pin goes on", pin.size() >= self.prefab.pin.size());
        for _ in 0..4 {
            let root = RootKey { number: 1, entropy: Seeded::new(Chance::new(chance.next(), 0)) };
            let ahead = BIRTH + chance.below(AHEAD);
            let options = VaultOptions::default()
                .clock(Hands { time: self.time.clone(), ahead })
                .entropy(Seeded::new(Chance::new(chance.next(), 0)))
                .sleeper(self.time.clone());
            let options = if process.is_multiple_of(2) { options.pin_store(kept.clone()) } else { options };
            match Vault::open_with(view.clone(), Arc::new(root), &pin, options).await {
                Ok(vault) => {
                    self.say(|| {
                        format!("{process} opens at {} with a pin of {}", vault.pin().size(), pin.size())
                    });
                    self.count("opened");
                    self.fresh(&vault.freshness(), vault.pin().size() >= pin.size());
                    return Some(vault);
                }
                Err(error) => {
                    self.say(|| format!("{process} does not open: {error}"));
                    self.count("not opened");
                    let owed = self.storages == Storages::Honest;
                    self.expect(&format!("opening: {error}"), !owed || error.kind() == ErrorKind::Storage);
                }
            }
            self.time.sleep(1 + chance.below(100)).await;
        }
        None
    }

    /// Ends a process wherever it is, and begins another with the pin that it kept.
    async fn crash(self: Rc<Self>, process: usize, view: Arc<View>, kept: Kept, died: u64) {
        let when = self.draw(500);
        self.time.sleep(when).await;
        self.say(|| format!("{process} dies"));
        self.count("crash");
        self.spawner.kill(process);
        if self.draw(3) == 0 {
            self.count("crash: requests arrive at once");
            let _ = view.faulty.land().await;
        }
        let pause = self.draw(150);
        self.time.sleep(pause).await;
        self.start(kept, died);
    }

    /// How often this process was lied to, and how many faults it met, until now.
    pub fn met(&self, process: usize) -> (u64, usize) {
        let view = &self.views.borrow()[process];
        (view.liar.shown().values().sum(), view.faulty.fired())
    }

    pub fn count(&self, what: &str) {
        self.count_by(what, 1);
    }

    pub fn count_by(&self, what: &str, by: u64) {
        *self.counts.borrow_mut().entry(what.to_owned()).or_default() += by;
    }

    pub fn say(&self, text: impl FnOnce() -> String) {
        self.trace.note(0u8, || format!("{:>6} {}", self.time.now(), text()));
    }

    /// Notes a violation that needs no history.
    pub fn expect(&self, what: &str, holds: bool) {
        if !holds {
            self.violation.borrow_mut().get_or_insert_with(|| format!("WRONG: {what}"));
        }
    }

    pub fn fresh(&self, freshness: &Freshness, long_enough: bool) {
        self.expect(
            &format!("fresh by its pin, not {freshness:?}"),
            *freshness == Freshness::FreshByPin && long_enough,
        );
    }

    pub fn tag(&self) -> Tag {
        self.tags.replace(self.tags.get() + 1)
    }

    /// What the processes before a restored backup, or those after it, have been told.
    pub fn known(&self, process: usize) -> Known {
        self.known.borrow()[self.era(process)].clone()
    }

    pub fn learn(&self, process: usize, what: impl FnOnce(&mut Known)) {
        what(&mut self.known.borrow_mut()[self.era(process)]);
    }

    fn era(&self, process: usize) -> usize {
        usize::from(self.is_after_a_backup(process))
    }

    pub fn is_after_a_backup(&self, process: usize) -> bool {
        self.owed_from.get() > 0 && process >= self.owed_from.get()
    }

    pub fn pin(&self, process: usize) -> Pin {
        self.pins.borrow()[process].pin()
    }

    pub fn next_entry(&self) -> usize {
        self.history.borrow().entries.len()
    }

    pub fn begin_entry(&self, process: usize, what: What) -> usize {
        self.history.borrow_mut().begin(process, what, self.time.shown())
    }

    pub fn saw(&self, at: usize, what: What) {
        self.history.borrow_mut().entries[at].what = what;
    }

    /// Notes the whole history that the operation of this number was told.
    pub fn told_history(&self, at: usize, whole: Vec<Tag>) {
        self.history.borrow_mut().histories.push((at, whole));
    }

    pub fn granted(&self, grant: GrantId, what: Granted) {
        self.history.borrow_mut().deliveries.granted.insert(grant, what);
    }

    /// Notes what the operation of this number delivered.
    pub fn delivered(&self, at: usize, grant: GrantId, holds: Holds) {
        let deliveries = &mut self.history.borrow_mut().deliveries;
        self.count(match deliveries.granted.get(&grant) {
            Some(Granted::Following(_)) => "delivered what is there",
            _ => "delivered what was there",
        });
        deliveries.made.push((at, holds));
    }

    pub fn end(&self, at: usize, name: &str, end: End) {
        let process = self.history.borrow().entries[at].process;
        let (_, faults) = self.met(process);
        self.history.borrow_mut().end(at, end, self.time.shown(), faults);
        let how = match end {
            End::Done(_) => "done",
            End::Refused(_) => "refused",
            End::Doubted(_) => "doubted",
            End::Unknown => "unknown",
        };
        self.count(&format!("{name}: {how}"));
        if let End::Doubted(kind) = end
            && is_on_record(kind)
        {
            self.count(&format!("doubted, and on record: {kind:?}"));
        }
        self.trace.note((at, format!("{end:?}")), || {
            let what = self.history.borrow().entries[at];
            format!("{:>6} {} [{at}] {name}: {end:?} {:?}", self.time.now(), what.process, what.what)
        });
    }

    pub fn begin_named(&self, process: usize, name: &str, what: What) -> usize {
        let at = self.begin_entry(process, what);
        self.trace.note((at, process, name), || format!("{:>6} {process} [{at}] {name}?", self.time.now()));
        at
    }

    /// A vault on the storage as it is, without faults, lies and latency.
    pub async fn plain(&self, pin: &Pin, stream: u64) -> Result<Vault, docvault::Error> {
        let entropy = |stream| Seeded::new(Chance::new(self.seed, stream));
        let options = VaultOptions::default()
            .clock(Hands { time: self.time.clone(), ahead: BIRTH + AHEAD })
            .entropy(entropy(stream))
            .sleeper(NoSleep::default());
        let root = RootKey { number: 1, entropy: entropy(stream + 1) };
        Vault::open_with(self.objects.clone(), Arc::new(root), pin, options).await
    }

    pub fn all_pins(&self) -> BTreeSet<String> {
        self.pins.borrow().iter().map(|kept| kept.pin().to_string()).collect()
    }
}

/// Faults of these kinds now and then, and, mostly, an outage: some calls in a row that fail or are late.
fn script(chance: &mut Chance, kinds: &[Fault], one_in: u64) -> BTreeMap<usize, Fault> {
    // Of so many, that nothing else would be decided.
    let mut faults = chance.undecided(|chance| now_and_then(chance, kinds, one_in));
    let outage = if chance.one_in(4) { 0 } else { 10 + chance.index(30) };
    let begins = 20 + chance.index(60);
    let failing = [Fault::Error, Fault::Error, Fault::Late(usize::MAX)];
    faults.extend((begins..begins + outage).filter_map(|call| Some((call, chance.pick(&failing)?))));
    faults
}

fn now_and_then(chance: &mut Chance, kinds: &[Fault], one_in: u64) -> BTreeMap<usize, Fault> {
    let (mut faults, mut call) = (BTreeMap::new(), 0);
    while call < 1500 {
        call += 1 + chance.below(2 * one_in) as usize;
        faults.extend(chance.pick(kinds).map(|fault| (call, fault)));
    }
    faults
}

/// When the runs begin, in ms since 1970.
pub const BIRTH: u64 = 1_700_000_000_000;
/// How far clocks are from each other, in ms.
pub const AHEAD: u64 = 120_000;
/// Tasks that are no process's.
pub const OPERATOR: usize = usize::MAX;
