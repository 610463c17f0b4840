//! Changes of the keyring by one process, of which one takes the process's own root key away.

use docvault::{
    Secret,
    keys::{KeyError, SlotKind},
};

use super::*;

/// A root key that takes its time.
#[derive(Debug)]
struct Slow(LocalKey);

#[async_trait]
impl KeyWrap for Slow {
    fn kind(&self) -> SlotKind {
        self.0.kind()
    }

    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        self.0.wrap(context, secret).await
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        for _ in 0..4 {
            yield_now().await;
        }
        self.0.unwrap(context, wrapped).await
    }
}

/// One task takes the process's own key away, and another comes by the keyring; before, another process may have changed it.
/// Whatever comes first, both are done, and the process goes on.
fn goes_on(changed_before: bool, other: impl AsyncFn(&Vault, LocalKey) -> Result<(), Error>) {
    let scene = Scene::new();
    let (mut polls, mut preempted) = (0, 0);
    while preempted <= polls {
        let objects = Arc::new(scene.objects.snapshot());
        let vault = block_on(scene.open_by(Slow(scene.key()), objects.clone()));
        let own = block_on(vault.slots()).unwrap()[0].id;
        let key = |name: &str| {
            let name = format!("{name}-{preempted}-{changed_before}");
            LocalKey::create(scene.folder.path().join(name)).unwrap()
        };
        if changed_before {
            let colleague = block_on(scene.open(objects)).session("b").purpose("q").begin().unwrap();
            block_on(colleague.add_slot(&key("colleague's"), "colleague")).unwrap();
            block_on(vault.sync()).unwrap();
        }
        let (desk, fresh) = (vault.session("a").purpose("p").begin().unwrap(), key("fresh"));
        let tasks: Vec<Task<'_>> = vec![
            Box::pin(other(&vault, key("other"))),
            Box::pin(async {
                desk.rotate_root(own, &fresh).await?;
                // Takes the keyring that was made.
                desk.create_case("between").await.map(drop)
            }),
        ];
        let schedule = Schedule { preempted: [Some(preempted), None], ..Schedule::default() };
        let (ends, took) = run(tasks, &schedule);
        assert_eq!(ends, [End::Done, End::Done], "{schedule:?}");
        block_on(async {
            desk.create_case("another").await.unwrap();
            let slots = vault.slots().await.unwrap();
            assert!(slots.iter().all(|slot| slot.id != own), "{schedule:?}");
        });
        (polls, preempted) = (took, preempted + 1);
    }
    assert!(polls > 20, "{polls}");
}

#[test]
fn a_process_may_change_the_keyring_twice_at_once() {
    let add = async |vault: &Vault, key: LocalKey| {
        vault.session("a").purpose("p").begin()?.add_slot(&key, "x").await.map(drop)
    };
    goes_on(false, add);
    goes_on(true, add);
}

#[test]
fn a_keyring_that_is_opened_slowly_does_not_come_back() {
    goes_on(true, async |vault: &Vault, _: LocalKey| vault.slots().await.map(drop));
}
