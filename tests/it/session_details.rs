//! One's own sessions, one at a time: reading and renaming.

use std::time::Duration;

use crate::harness::*;

async fn read(who: &Actor, id: &str) -> Result<pb::Session, Status> {
    let request = pb::GetSessionRequest { session_id: id.to_owned() };
    Ok(who.sessions().get_session(request).await?.into_inner().session.unwrap())
}

fn named(id: &str, device_name: &str) -> pb::UpdateSessionRequest {
    pb::UpdateSessionRequest {
        session: Some(pb::Session {
            session_id: id.to_owned(),
            device_name: device_name.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["device_name".into()] }),
        ..Default::default()
    }
}

async fn rename(who: &Actor, request: pb::UpdateSessionRequest) -> Result<pb::Session, Status> {
    Ok(who.sessions().update_session(request).await?.into_inner().session.unwrap())
}

#[tokio::test]
async fn one_s_own_session_is_read_by_id_or_as_the_current_one() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    assert_eq!(read(&laptop, "").await.unwrap(), laptop.session);
    let seen = read(&laptop, phone.session_id()).await.unwrap();
    assert_eq!(seen, pb::Session { current: false, ..phone.session.clone() });
    assert!(seen.authenticate_time.is_some() && seen.second_factor_time.is_none());

    // Ended, foreign, absent and malformed: the same answer.
    let bea = world.account("bea").await;
    let foreign = read(&laptop, bea.session_id()).await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    phone.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    for id in [phone.session_id(), &absent("ses"), laptop.account_id(), "nonsense"] {
        assert_alike(&foreign, &read(&laptop, id).await.unwrap_err());
        assert_alike(&foreign, &rename(&laptop, named(id, "Mine")).await.unwrap_err());
    }
    assert_alike(&foreign, &rename(&laptop, named(bea.session_id(), "Mine")).await.unwrap_err());
    assert_eq!(read(&bea, "").await.unwrap().device_name, "Laptop");
}

#[tokio::test]
async fn a_device_can_be_named() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    let renamed = rename(&laptop, named(phone.session_id(), "Red phone")).await.unwrap();
    assert_eq!((renamed.device_name.as_str(), renamed.current), ("Red phone", false));
    let renamed = rename(&laptop, named("", "Kitchen")).await.unwrap();
    assert_eq!(renamed, read(&laptop, "").await.unwrap());
    assert_eq!((renamed.device_name.as_str(), renamed.current), ("Kitchen", true));
    assert_eq!(rename(&phone, named("", "")).await.unwrap().device_name, "");

    // The same request id: the first reply, and nothing done again.
    let first = pb::UpdateSessionRequest { request_id: request_id(1), ..named("", "One") };
    let told = rename(&laptop, first.clone()).await.unwrap();
    rename(&laptop, named("", "Two")).await.unwrap();
    assert_eq!(rename(&laptop, first.clone()).await.unwrap(), told);
    assert_eq!(read(&laptop, "").await.unwrap().device_name, "Two");
    let other = pb::UpdateSessionRequest { request_id: request_id(1), ..named("", "Three") };
    let refused = rename(&laptop, other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
}

#[tokio::test]
async fn a_malformed_name_or_mask_is_refused() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    for name in ["d".repeat(101), "two\nlines".to_owned()] {
        let refused = rename(&ana, named("", &name)).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["session.device_name"]);
    }
    for paths in [vec![], vec!["user_agent".to_owned()], vec!["device_name".to_owned(), "current".to_owned()]] {
        let mask = Some(prost_types::FieldMask { paths });
        let refused = rename(&ana, pb::UpdateSessionRequest { update_mask: mask, ..named("", "Mine") }).await;
        assert_reason(&refused.unwrap_err(), Code::InvalidArgument, ErrorReason::UpdateMaskInvalid);
    }
    let refused = rename(&ana, pb::UpdateSessionRequest { request_id: "1".into(), ..named("", "Mine") }).await;
    assert_eq!(violations(&refused.unwrap_err()), ["request_id"]);
    assert_eq!(read(&ana, "").await.unwrap().device_name, "Laptop");
}

#[tokio::test]
async fn a_session_past_its_time_is_gone_before_it_is_swept() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    for _ in 0..2 {
        world.advance(Duration::from_hours(20 * 24));
        laptop.refresh().await.unwrap();
    }
    let refused = read(&laptop, phone.session_id()).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&refused, &rename(&laptop, named(phone.session_id(), "Mine")).await.unwrap_err());
}
