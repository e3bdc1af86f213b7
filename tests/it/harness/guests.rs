//! People who call from elsewhere, and what they must show at the door.

use std::net::Ipv4Addr;

use backline::pb::{self, ChallengeKind, login_response::Outcome};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tonic::{
    Status,
    transport::{Channel, Endpoint, Uri},
};

use super::{Actor, ErrorReason, PASSWORD, World, fact};

/// What nobody has for a password.
pub const WRONG: &str = "not the password";

/// The n-th address of the loopback network, from 0: each is a network of its own to the limits.
pub fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 10, 0, 1).to_bits() + number)
}

/// Somebody who calls from this address of the loopback network.
pub fn caller_from(world: &World, address: Ipv4Addr) -> Actor {
    Actor::anonymous(channel_from(world, address, "guest/1"))
}

/// A connection from this address of the loopback network, by a client of this name.
pub fn channel_from(world: &World, address: Ipv4Addr, user_agent: &'static str) -> Channel {
    let server = world.server().address;
    let connect = tower::service_fn(move |_: Uri| async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind((address, 0).into())?;
        Ok::<_, std::io::Error>(TokioIo::new(socket.connect(server).await?))
    });
    let endpoint = Endpoint::from_static("http://backline.test").user_agent(user_agent).unwrap();
    endpoint.connect_with_connector_lazy(connect)
}

/// A sign-in with words of one's own.
pub fn words(email: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { email: email.to_owned(), password: password.to_owned(), ..Default::default() }
}

/// The right words.
pub fn right_words(email: &str) -> pb::LoginRequest {
    words(email, PASSWORD)
}

/// Whether a refusal asks for a challenge.
pub fn wants_challenge(refused: &Status) -> bool {
    super::details(refused).error_info().is_some_and(|info| info.reason == "CHALLENGE_REQUIRED")
}

/// Solves the challenge that a refusal brought.
pub fn solve(refused: &Status) -> pb::ChallengeSolution {
    super::assert_reason(refused, tonic::Code::FailedPrecondition, ErrorReason::ChallengeRequired);
    assert_eq!(fact(refused, "kind").as_deref(), Some("POW"));
    solve_work(&fact(refused, "challenge").expect("the refusal brings a challenge"))
}

/// Does the work of a challenge, as ALTCHA's own library does.
pub fn solve_work(challenge: &str) -> pb::ChallengeSolution {
    let challenge: altcha::Challenge = serde_json::from_str(challenge).expect("the challenge is ALTCHA's");
    let solution = altcha::solve_challenge(altcha::SolveChallengeOptions::new(&challenge)).unwrap().unwrap();
    payload(challenge, solution)
}

/// A solution as clients send it.
pub fn payload(challenge: altcha::Challenge, solution: altcha::Solution) -> pb::ChallengeSolution {
    let payload = serde_json::to_vec(&altcha::Payload { challenge, solution }).unwrap();
    pb::ChallengeSolution { kind: ChallengeKind::Pow.into(), solution: BASE64_STANDARD.encode(payload) }
}

impl Actor {
    /// `Login` with any words, keeping nothing of the reply.
    pub async fn try_login(&self, request: pb::LoginRequest) -> Result<pb::LoginResponse, Status> {
        Ok(self.sessions().login(request).await?.into_inner())
    }

    /// `Login`, solving a challenge if one is asked for.
    pub async fn login_solving(&self, request: pb::LoginRequest) -> Result<pb::LoginResponse, Status> {
        match self.try_login(request.clone()).await {
            Err(refused) if wants_challenge(&refused) => {
                self.try_login(pb::LoginRequest { challenge_solution: Some(solve(&refused)), ..request }).await
            }
            other => other,
        }
    }

    /// Fails to sign in so many times, solving what must be solved.
    pub async fn fail(&self, email: &str, device_token: &str, times: usize) {
        for _ in 0..times {
            let request = pb::LoginRequest { device_token: device_token.to_owned(), ..words(email, WRONG) };
            let refused = self.login_solving(request).await.unwrap_err();
            super::assert_reason(&refused, tonic::Code::Unauthenticated, ErrorReason::InvalidCredentials);
        }
    }

    /// Signs in here and has the device remembered. Returns the device's token.
    pub async fn remember(&self, email: &str) -> String {
        let request = pb::LoginRequest { remember_device: true, device_name: "Laptop".into(), ..right_words(email) };
        let token = signed_in(self.login_solving(request).await).device_token;
        assert!(!token.is_empty(), "a device that was not known gets a token");
        token
    }
}

/// What a sign-in that worked gives.
#[track_caller]
pub fn signed_in(reply: Result<pb::LoginResponse, Status>) -> pb::SignedIn {
    match reply.unwrap().outcome {
        Some(Outcome::SignedIn(signed_in)) => signed_in,
        other => panic!("not signed in: {other:?}"),
    }
}
