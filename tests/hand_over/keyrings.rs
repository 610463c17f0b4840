//! Two changes of the keyring by one process, of which one takes the process's own root key away.

use super::*;

/// Whichever comes first, the other is made on top of it, and the process goes on.
#[test]
fn a_process_may_change_the_keyring_twice_at_once() {
    let scene = Scene::new();
    let (mut polls, mut preempted) = (0, 0);
    while preempted <= polls {
        let vault = block_on(scene.open(scene.objects.snapshot()));
        let own = block_on(vault.slots()).unwrap()[0].id;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let key =
            |name: &str| LocalKey::create(scene.folder.path().join(format!("{name}-{preempted}"))).unwrap();
        let (fresh, other) = (key("fresh"), key("other"));
        let tasks: Vec<Task<'_>> = vec![
            Box::pin(async { desk.rotate_root(own, &fresh).await.map(drop) }),
            Box::pin(async { desk.add_slot(&other, "x").await.map(drop) }),
        ];
        let schedule = Schedule { preempted: [Some(preempted), None], ..Schedule::default() };
        let (ends, took) = run(tasks, &schedule);
        assert_eq!(ends, [End::Done, End::Done], "{schedule:?}");
        block_on(async {
            desk.create_case("another").await.unwrap();
            assert_eq!(vault.slots().await.unwrap().len(), 2, "{schedule:?}");
        });
        (polls, preempted) = (took, preempted + 1);
    }
    assert!(polls > 20, "{polls}");
}
