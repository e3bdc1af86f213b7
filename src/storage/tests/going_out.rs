//! Who may read, and how.

use super::*;

#[tokio::test]
async fn a_signed_url_gives_the_file_and_its_ranges() {
    let place = place().await;
    let file = wav(600_000);
    let object = place.finish(&file).await.object_id;
    let message = pb::CreateDownloadUrlRequest { object_id: object.clone() };
    let refused = place.rpc.create_download_url(by(&place.rui, message.clone())).await.unwrap_err();
    assert_eq!(reason(&refused), "RESOURCE_NOT_FOUND");
    let url = place.rpc.create_download_url(by(&place.ana, message)).await.unwrap().into_inner().url;
    let path = url.strip_prefix(&place.app.config.public_url()).unwrap().to_owned();

    let fetch = |method: Method, path: String, range: Option<&'static str>| {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        objects_http::router(place.app.clone()).oneshot(request.body(Body::empty()).unwrap())
    };
    let whole = fetch(Method::GET, path.clone(), None).await.unwrap();
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()["content-type"], "audio/wav");
    assert_eq!(whole.headers()["content-length"], "600000");
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), file);
    let part = fetch(Method::GET, path.clone(), Some("bytes=100-299999")).await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 100-299999/600000");
    assert_eq!(part.into_body().collect().await.unwrap().to_bytes(), &file[100..300_000]);
    let head = fetch(Method::HEAD, path.clone(), None).await.unwrap();
    assert_eq!((head.status(), &head.headers()["content-length"]), (StatusCode::OK, &"600000".parse().unwrap()));
    let beyond = fetch(Method::GET, path.clone(), Some("bytes=600000-")).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    for bad in [path.replace("expires=1", "expires=2"), path.split('?').next().unwrap().to_owned(), format!("{path}A")]
    {
        assert_eq!(fetch(Method::GET, bad, None).await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    place.app.clock.advance(place.app.config.uploads.download_url_life);
    assert_eq!(fetch(Method::GET, path, None).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn staff_see_what_was_handed_in_and_listeners_what_was_published() {
    let place = place().await;
    let file = wav(700);
    let upload = place.finish(&file).await;
    let uuid = |text: &str| hex::encode(uuid::Uuid::from(wire::upload_id(text).unwrap()).as_bytes());
    let ana = hex::encode(uuid::Uuid::from(place.ana.account).as_bytes());
    let writer = place.app.db.write_one();
    let run = async |sql: String| writer.execute_unprepared(&sql).await.map(drop).unwrap();
    run(format!("INSERT INTO artist VALUES (x'{0}', x'{ana}', 'A', '', '[]', 'active', 0, 0, 1)", "01".repeat(16)))
        .await;
    run(format!(
        "INSERT INTO track (id, artist_id, title, version_title, language, explicit, audio_upload_id, allow_download, \
         state, published_at, created_at, updated_at, row_version) VALUES (x'{0}', x'{1}', 'T', '', 'zxx', 0, x'{2}', 0, \
         'draft', 1, 0, 0, 1)",
        "02".repeat(16),
        "01".repeat(16),
        uuid(&upload.upload_id)
    ))
    .await;
    run(format!(
        "INSERT INTO submission (id, track_id, artist_id, submitter_id, state, priority, note, revision, sequence, \
         submitted_at, created_at, updated_at, row_version) VALUES (x'{0}', x'{1}', x'{2}', x'{ana}', 'draft', 0, '', 0, \
         0, 1, 0, 0, 1)",
        "03".repeat(16),
        "02".repeat(16),
        "01".repeat(16)
    ))
    .await;
    let mut staff = place.rui.clone();
    staff.roles = Roles::LISTENER.with(Role::Reviewer);
    let may = async |who: &Caller| place.read(who, &upload.object_id, 0, 0).await.is_ok();

    assert_eq!((may(&place.ana).await, may(&staff).await, may(&place.rui).await), (true, false, false));
    run("UPDATE submission SET state = 'submitted'".into()).await;
    assert_eq!((may(&staff).await, may(&place.rui).await), (true, false));
    run("UPDATE track SET state = 'active'".into()).await;
    assert!(!may(&place.rui).await, "streams are not downloads");
    run("UPDATE track SET allow_download = 1".into()).await;
    assert!(may(&place.rui).await);
    run("UPDATE track SET deleted_at = 1".into()).await;
    assert_eq!((may(&place.ana).await, may(&staff).await, may(&place.rui).await), (true, false, false));
}
