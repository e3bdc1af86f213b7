//! Registration, verification, and one's own account.

use crate::harness::*;

#[tokio::test]
async fn a_person_registers_proves_the_mailbox_and_signs_in() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    let account = ana.whoami().await.unwrap();
    assert_eq!((account.email.as_str(), account.display_name.as_str()), ("ana@example.org", "Ana"));
    world.restart().await;
    assert_eq!(ana.whoami().await.unwrap(), account);
    let rui = world.reviewer("rui").await;
    assert_eq!(rui.account.roles, [pb::Role::Listener as i32, pb::Role::Reviewer as i32]);
    let root = world.admin("root").await;
    assert!(root.account.roles.contains(&(pb::Role::Admin as i32)));
}
